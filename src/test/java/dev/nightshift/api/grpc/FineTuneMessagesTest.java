package dev.nightshift.api.grpc;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import dev.nightshift.proto.v1.CreateFineTuneJobRequest;
import dev.nightshift.proto.v1.FineTuneEvent;
import dev.nightshift.proto.v1.FineTuneMethod;
import dev.nightshift.tuning.Job;
import dev.nightshift.tuning.JobSpec;
import dev.nightshift.tuning.JobSpecReader;
import dev.nightshift.tuning.TuningMethod;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.api.Test;

class FineTuneMessagesTest {

    @Test
    void aMessageIsReadByTheRulesOfTheHttpBody() {
        Struct lora = Struct.newBuilder()
                .putFields("r", Value.newBuilder().setNumberValue(8).build())
                .build();
        CreateFineTuneJobRequest request = CreateFineTuneJobRequest.newBuilder()
                .setModel("m")
                .setTrainingFile("file-1")
                .setSuffix("bot")
                .setSeed(5)
                .setMethod(FineTuneMethod.FINE_TUNE_METHOD_ORPO)
                .setEpochs(2)
                .setBeta(0.3)
                .putMetadata("team", "a")
                .setNightshift(Struct.newBuilder()
                        .putFields(
                                "lora", Value.newBuilder().setStructValue(lora).build()))
                .build();
        JobSpec spec = JobSpecReader.read(FineTuneMessages.body(request), 1);
        assertThat(spec.method()).isEqualTo(TuningMethod.ORPO);
        assertThat(spec.seed()).isEqualTo(5);
        assertThat(spec.suffix()).contains("bot");
        assertThat(spec.validationFile()).isEmpty();
        assertThat(spec.hyperparameters().epochs()).hasValue(2);
        assertThat(spec.hyperparameters().batchSize()).isEmpty();
        assertThat(spec.hyperparameters().beta()).hasValue(0.3);
        assertThat(spec.options().lora().rank()).isEqualTo(8);
        assertThat(spec.metadata()).containsEntry("team", "a");
    }

    @Test
    void numbersOfAnEventAreItsMetrics() {
        FineTuneEvent event = FineTuneMessages.event(new Job.Event(
                "ftevent-1",
                Instant.ofEpochSecond(7),
                Job.Event.Level.INFO,
                Job.Event.Kind.METRICS,
                "Step 1/2: training loss=0.5",
                Map.of("train_loss", 0.5, "step", 1)));
        assertThat(event.getMetricsMap()).containsEntry("train_loss", 0.5).containsEntry("step", 1.0);
        assertThat(event.getCreated().getSeconds()).isEqualTo(7);
        assertThat(event.getLevel()).isEqualTo("info");
    }
}
