package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.nightshift.failure.ServingException;
import dev.nightshift.train.Schedule;
import java.io.IOException;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JobSpecReaderTest {

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'training_file':'f'}|model",
                "{'model':'m'}|training_file",
                "{'model':7,'training_file':'f'}|model",
                "{'model':'m','training_file':'f','suffix':''}|suffix",
                "{'model':'m','training_file':'f','suffix':'.hidden'}|suffix",
                "{'model':'m','training_file':'f','suffix':'a/b'}|suffix",
                "{'model':'m','training_file':'f','suffix':'x1234567890123456789012345678901234567890123456789012345678901234'}|suffix",
                "{'model':'m','training_file':'f','seed':-1}|seed",
                "{'model':'m','training_file':'f','seed':2147483648}|seed",
                "{'model':'m','training_file':'f','method':{'type':'reinforcement'}}|method.type",
                "{'model':'m','training_file':'f','hyperparameters':{'n_epochs':0}}|hyperparameters.n_epochs",
                "{'model':'m','training_file':'f','hyperparameters':{'n_epochs':51}}|hyperparameters.n_epochs",
                "{'model':'m','training_file':'f','hyperparameters':{'n_epochs':'many'}}|hyperparameters.n_epochs",
                "{'model':'m','training_file':'f','hyperparameters':{'batch_size':257}}|hyperparameters.batch_size",
                "{'model':'m','training_file':'f','hyperparameters':{'learning_rate_multiplier':0}}|hyperparameters.learning_rate_multiplier",
                "{'model':'m','training_file':'f','method':{'type':'dpo','dpo':{'hyperparameters':{'beta':2.5}}}}|method.dpo.hyperparameters.beta",
                "{'model':'m','training_file':'f','integrations':[{'type':'wandb'}]}|integrations",
                "{'model':'m','training_file':'f','metadata':{'a':7}}|metadata.a",
                "{'model':'m','training_file':'f','nightshift':{'lora':{'r':257}}}|nightshift.lora.r",
                "{'model':'m','training_file':'f','nightshift':{'lora':{'targets':['lm_head']}}}|nightshift.lora.targets",
                "{'model':'m','training_file':'f','nightshift':{'lora':{'rank':8}}}|nightshift.lora.rank",
                "{'model':'m','training_file':'f','nightshift':{'preset':'alpaca'}}|nightshift.preset",
                "{'model':'m','training_file':'f','nightshift':{'method':'ppo'}}|nightshift.method",
                "{'model':'m','training_file':'f','nightshift':{'format':'csv'}}|nightshift.format",
                "{'model':'m','training_file':'f','nightshift':{'rendering':'loud'}}|nightshift.rendering",
                "{'model':'m','training_file':'f','nightshift':{'colour':'red'}}|nightshift.colour",
                "{'model':'m','training_file':'f','nightshift':{'files':[{'weight':1}]}}|nightshift.files[0].id",
            })
    void refusesNamingTheField(String json, String param) throws IOException {
        ServingException refusal = catchThrowableOfType(ServingException.class, () -> read(json.replace('\'', '"')));
        assertThat(refusal).as("refused").isNotNull();
        assertThat(refusal.code().httpStatus()).isEqualTo(400);
        assertThat(refusal.param()).contains(param);
    }

    @Test
    void nullsAndAutoCountAsAbsent() throws IOException {
        JobSpec spec = read(
                "{\"model\":\"m\",\"training_file\":\"f\",\"suffix\":null,\"seed\":null,\"method\":null,"
                        + "\"hyperparameters\":{\"n_epochs\":\"auto\",\"batch_size\":null},\"integrations\":[],\"metadata\":null}");
        assertThat(spec.suffix()).isEmpty();
        assertThat(spec.seed()).isEqualTo(42);
        assertThat(spec.method()).isEqualTo(TuningMethod.SUPERVISED);
        assertThat(spec.hyperparameters().epochs()).isEmpty();
        assertThat(spec.hyperparameters().batchSize()).isEmpty();
        assertThat(spec.request()).containsEntry("seed", 42);
    }

    @Test
    void typedHyperparametersWinOverTheDeprecatedOnes() throws IOException {
        JobSpec spec =
                read("{\"model\":\"m\",\"training_file\":\"f\",\"hyperparameters\":{\"n_epochs\":2,\"batch_size\":4},"
                        + "\"method\":{\"type\":\"dpo\",\"dpo\":{\"hyperparameters\":{\"n_epochs\":5,\"beta\":0.3}}}}");
        assertThat(spec.method()).isEqualTo(TuningMethod.DPO);
        assertThat(spec.hyperparameters().epochs()).hasValue(5);
        assertThat(spec.hyperparameters().batchSize()).hasValue(4);
        assertThat(spec.hyperparameters().beta()).hasValue(0.3);
    }

    @Test
    void guanacoHasThePapersValues() throws IOException {
        JobSpec spec = read("{\"model\":\"m\",\"training_file\":\"f\",\"nightshift\":{\"preset\":\"guanaco\","
                + "\"lora\":{\"dropout\":0.05}}}");
        LoraSpec lora = spec.options().lora();
        assertThat(lora.rank()).isEqualTo(64);
        assertThat(lora.alpha()).isEqualTo(16);
        assertThat(lora.dropout()).isEqualTo(0.05);
        assertThat(lora.targets()).isEqualTo(Set.copyOf(JobSpecReader.PROJECTIONS));
        assertThat(spec.options().beta2()).isEqualTo(0.999);
        assertThat(spec.options().maxGradNorm()).isEqualTo(0.3);
        assertThat(spec.options().schedule()).isEqualTo(Schedule.Kind.CONSTANT);
        assertThat(spec.options().learningRate()).hasValue(2e-4);
    }

    @Test
    void aStoredRequestReadsBackAsTheSameJob() throws IOException {
        JobSpec spec =
                read("{\"model\":\"m\",\"training_file\":\"f\",\"suffix\":\"s\",\"nightshift\":{\"method\":\"kto\"}}");
        assertThat(JobSpecReader.read(spec.request(), 7)).isEqualTo(spec);
    }

    @ParameterizedTest
    @CsvSource({"1,25,1", "4,25,1", "10,10,1", "33,3,1", "60,3,1", "1000,3,2", "8333,3,17", "9000,2,18", "30000,1,60"})
    void autoFollowsTheWrittenRule(long rows, int epochs, int batch) {
        assertThat(AutoValues.epochs(rows)).isEqualTo(epochs);
        assertThat(AutoValues.batchSize(rows)).isEqualTo(batch);
    }

    @Test
    void rateGrowsForSmallerModelsAndIsThePapersAtItsSizes() {
        assertThat(AutoValues.learningRate(7_000_000_000L)).isEqualTo(2e-4);
        assertThat(AutoValues.learningRate(13_000_000_000L)).isEqualTo(2e-4);
        assertThat(AutoValues.learningRate(33_000_000_000L)).isEqualTo(1e-4);
        assertThat(AutoValues.learningRate(135_000_000L)).isBetween(5e-4, 1e-3);
        assertThat(AutoValues.learningRate(1_000_000L)).isCloseTo(3.73e-3, org.assertj.core.data.Offset.offset(1e-5));
    }

    private static JobSpec read(String json) throws IOException {
        Map<String, Object> body = new ObjectMapper().readValue(json, new TypeReference<>() {});
        return JobSpecReader.read(body, 42);
    }
}
