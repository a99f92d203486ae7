package dev.nightshift.api.grpc;

import io.quarkus.runtime.configuration.MemorySizeConverter;
import io.smallrye.config.ConfigSourceInterceptor;
import io.smallrye.config.ConfigSourceInterceptorContext;
import io.smallrye.config.ConfigValue;
import io.smallrye.config.Priorities;
import jakarta.annotation.Priority;

/**
 * A gRPC message may be as large as an HTTP body: the gRPC server's own setting takes a bare number of bytes, so it is worked out
 * from {@code nightshift.body-limit} unless somebody set it.
 */
@Priority(Priorities.LIBRARY)
public class MessageLimit implements ConfigSourceInterceptor {
    private static final String MESSAGE = "quarkus.grpc.server.max-inbound-message-size";
    private static final String BODY = "nightshift.body-limit";
    private static final long serialVersionUID = 1;

    @Override
    public ConfigValue getValue(ConfigSourceInterceptorContext context, String name) {
        ConfigValue set = context.proceed(name);
        if (set != null || !name.equals(MESSAGE)) {
            return set;
        }
        ConfigValue body = context.restart(BODY);
        if (body == null || body.getValue() == null) {
            return null;
        }
        long bytes = new MemorySizeConverter().convert(body.getValue()).asLongValue();
        return body.withName(MESSAGE).withValue(Long.toString(Math.min(bytes, Integer.MAX_VALUE)));
    }
}
