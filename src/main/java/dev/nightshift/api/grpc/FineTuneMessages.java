package dev.nightshift.api.grpc;

import com.google.protobuf.Struct;
import com.google.protobuf.Timestamp;
import com.google.protobuf.Value;
import dev.nightshift.failure.ServingException;
import dev.nightshift.proto.v1.CreateFineTuneJobRequest;
import dev.nightshift.proto.v1.FineTuneError;
import dev.nightshift.proto.v1.FineTuneEvent;
import dev.nightshift.proto.v1.FineTuneJob;
import dev.nightshift.proto.v1.FineTuneMethod;
import dev.nightshift.proto.v1.FineTuneNumbers;
import dev.nightshift.proto.v1.FineTuneState;
import dev.nightshift.tuning.Job;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Jobs as messages, and requests as the bodies that the HTTP API takes, so that both are checked by the same rules. */
final class FineTuneMessages {
    private FineTuneMessages() {}

    // ---- requests

    static Map<String, Object> body(CreateFineTuneJobRequest request) {
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("model", request.getModel());
        body.put("training_file", request.getTrainingFile());
        put(body, "validation_file", request.getValidationFile());
        put(body, "suffix", request.getSuffix());
        if (request.hasSeed()) {
            body.put("seed", Integer.toUnsignedLong(request.getSeed()));
        }
        Map<String, Object> own = object(request.getNightshift());
        Map<String, Object> numbers = new LinkedHashMap<>();
        if (request.hasEpochs()) {
            numbers.put("n_epochs", request.getEpochs());
        }
        if (request.hasBatchSize()) {
            numbers.put("batch_size", request.getBatchSize());
        }
        if (request.hasLearningRateMultiplier()) {
            numbers.put("learning_rate_multiplier", request.getLearningRateMultiplier());
        }
        if (request.hasBeta()) {
            numbers.put("beta", request.getBeta());
        }
        body.put("hyperparameters", numbers);
        method(request.getMethod(), own);
        body.put("metadata", new LinkedHashMap<String, Object>(request.getMetadataMap()));
        body.put("nightshift", own);
        return body;
    }

    private static void method(FineTuneMethod method, Map<String, Object> own) {
        switch (method) {
            case FINE_TUNE_METHOD_UNSPECIFIED -> {}
            case FINE_TUNE_METHOD_SUPERVISED -> own.put("method", "supervised");
            case FINE_TUNE_METHOD_DPO -> own.put("method", "dpo");
            case FINE_TUNE_METHOD_ORPO -> own.put("method", "orpo");
            case FINE_TUNE_METHOD_KTO -> own.put("method", "kto");
            case UNRECOGNIZED -> throw ServingException.invalid("method", "method: not a known value");
        }
    }

    private static void put(Map<String, Object> body, String name, String text) {
        if (!text.isEmpty()) {
            body.put(name, text);
        }
    }

    private static Map<String, Object> object(Struct struct) {
        Map<String, Object> map = new LinkedHashMap<>();
        struct.getFieldsMap().forEach((name, value) -> map.put(name, plain(value)));
        return map;
    }

    private static Object plain(Value value) {
        return switch (value.getKindCase()) {
            case NULL_VALUE, KIND_NOT_SET -> null;
            case NUMBER_VALUE -> value.getNumberValue();
            case STRING_VALUE -> value.getStringValue();
            case BOOL_VALUE -> value.getBoolValue();
            case STRUCT_VALUE -> object(value.getStructValue());
            case LIST_VALUE -> {
                List<Object> list = new ArrayList<>();
                value.getListValue().getValuesList().forEach(item -> list.add(plain(item)));
                yield list;
            }
        };
    }

    // ---- answers

    static FineTuneJob job(Job job) {
        FineTuneJob.Builder message = FineTuneJob.newBuilder()
                .setId(job.id())
                .setCreated(time(job.created()))
                .setState(FineTuneState.valueOf("FINE_TUNE_STATE_" + job.state().name()))
                .setModel(job.spec().model())
                .setTrainingFile(job.spec().files().getFirst().id())
                .setValidationFile(job.spec().validationFile().orElse(""))
                .setSuffix(job.spec().suffix().orElse(""))
                .setSeed(job.spec().seed())
                .setMethod(FineTuneMethod.valueOf(
                        "FINE_TUNE_METHOD_" + job.spec().method().name()))
                .setTrainedTokens(job.trainedTokens())
                .setStepsDone(job.stepsDone())
                .setFineTunedModel(job.model().orElse(""))
                .setResultFile(job.resultFile().orElse(""))
                .putAllMetadata(job.spec().metadata());
        job.finished().ifPresent(finished -> message.setFinished(time(finished)));
        job.estimatedFinish().ifPresent(finish -> message.setEstimatedFinish(time(finish)));
        job.numbers().ifPresent(numbers -> message.setNumbers(numbers(numbers)));
        job.error()
                .ifPresent(reason -> message.setError(FineTuneError.newBuilder()
                        .setCode(reason.code())
                        .setMessage(reason.message())
                        .setParam(reason.param().orElse(""))));
        return message.build();
    }

    private static FineTuneNumbers numbers(Job.Numbers numbers) {
        return FineTuneNumbers.newBuilder()
                .setEpochs(numbers.epochs())
                .setBatchSize(numbers.batchSize())
                .setLearningRateMultiplier(numbers.learningRateMultiplier())
                .setLearningRate(numbers.learningRate())
                .setBeta(numbers.beta())
                .setSteps(numbers.steps())
                .build();
    }

    static FineTuneEvent event(Job.Event event) {
        FineTuneEvent.Builder message = FineTuneEvent.newBuilder()
                .setId(event.id())
                .setCreated(time(event.created()))
                .setLevel(event.level().name().toLowerCase(Locale.ROOT))
                .setMessage(event.message());
        event.data().forEach((name, value) -> {
            if (value instanceof Number number) {
                message.putMetrics(name, number.doubleValue());
            }
        });
        return message.build();
    }

    private static Timestamp time(Instant instant) {
        return Timestamp.newBuilder()
                .setSeconds(instant.getEpochSecond())
                .setNanos(instant.getNano())
                .build();
    }
}
