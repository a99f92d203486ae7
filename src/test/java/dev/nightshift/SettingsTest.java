package dev.nightshift;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.checkpoint.Quantisation;
import io.quarkus.runtime.configuration.DurationConverter;
import io.quarkus.runtime.configuration.MemorySize;
import io.quarkus.runtime.configuration.MemorySizeConverter;
import io.smallrye.config.EnvConfigSource;
import io.smallrye.config.PropertiesConfigSource;
import io.smallrye.config.SmallRyeConfig;
import io.smallrye.config.SmallRyeConfigBuilder;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Method;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** Names and defaults of all settings: what README's table says and deployments rely on. */
class SettingsTest {

    private static SmallRyeConfig config(Map<String, String> environment) {
        return new SmallRyeConfigBuilder()
                .withMapping(ModelSettings.class)
                .withMapping(EngineSettings.class)
                .withMapping(AdapterSettings.class)
                .withMapping(HttpSettings.class)
                .withConverter(MemorySize.class, 200, new MemorySizeConverter())
                .withConverter(Duration.class, 200, new DurationConverter())
                .withSources(new EnvConfigSource(environment, 300))
                .build();
    }

    @Test
    void modelSettingsHaveTheirDefaults() {
        ModelSettings model = config(Map.of()).getConfigMapping(ModelSettings.class);
        assertThat(model.model()).isEmpty();
        assertThat(model.servedName()).isEmpty();
        assertThat(model.chatTemplate()).isEmpty();
        assertThat(model.quantisation()).isEqualTo(Quantisation.NF4);
        assertThat(model.maxContext()).isEmpty();
        assertThat(model.backend()).isEqualTo(ModelSettings.Backend.CPU);
        assertThat(model.memoryBudget()).isEmpty();
        assertThat(model.cpuThreads()).isEmpty();
        assertThat(model.data()).isEqualTo("data");
    }

    @Test
    void engineAndAdapterSettingsHaveTheirDefaults() {
        EngineSettings engine = config(Map.of()).getConfigMapping(EngineSettings.class);
        assertThat(engine.maxRunning()).isEqualTo(64);
        assertThat(engine.maxQueued()).isEqualTo(256);
        assertThat(engine.stepTokens()).isEqualTo(512);
        assertThat(engine.busyStepTokens()).isEqualTo(128);
        assertThat(engine.scoreTokens()).isEqualTo(64);
        assertThat(engine.kvBlockTokens()).isEqualTo(16);
        assertThat(engine.prefixCache()).isTrue();
        assertThat(engine.stuckAfter()).isEqualTo(Duration.ofMinutes(2));
        assertThat(engine.readerLag()).isEqualTo(256);
        AdapterSettings adapters = config(Map.of()).getConfigMapping(AdapterSettings.class);
        assertThat(adapters.adapters()).isEqualTo("adapters");
        assertThat(adapters.adapterSlots()).isEqualTo(8);
    }

    @Test
    void httpSettingsHaveTheirDefaults() {
        HttpSettings http = config(Map.of()).getConfigMapping(HttpSettings.class);
        assertThat(http.bodyLimit().asLongValue()).isEqualTo(32L << 20);
        assertThat(http.maxRequests()).isEqualTo(640);
        assertThat(http.drainTimeout()).isEqualTo(Duration.ofSeconds(30));
        assertThat(http.keepAlive()).isEqualTo(Duration.ofSeconds(10));
        assertThat(http.slowReader()).isEqualTo(Duration.ofSeconds(30));
        assertThat(http.limits().choices()).isEqualTo(64);
        assertThat(http.limits().bestOf()).isEqualTo(20);
        assertThat(http.limits().prompts()).isEqualTo(128);
        assertThat(http.limits().logprobs()).isEqualTo(20);
        assertThat(http.limits().stops()).isEqualTo(64);
        assertThat(http.limits().stopLength()).isEqualTo(1024);
        assertThat(http.limits().logitBias()).isEqualTo(300);
        assertThat(http.limits().messages()).isEqualTo(8192);
    }

    @Test
    void everySettingCanComeFromTheEnvironment() {
        Map<String, String> environment = new TreeMap<>();
        environment.put("NIGHTSHIFT_MODEL", "org/name");
        environment.put("NIGHTSHIFT_SERVED_NAME", "mine");
        environment.put("NIGHTSHIFT_QUANTISATION", "fp4");
        environment.put("NIGHTSHIFT_BACKEND", "nd4j");
        environment.put("NIGHTSHIFT_MEMORY_BUDGET", "3G");
        environment.put("NIGHTSHIFT_MAX_CONTEXT", "512");
        environment.put("NIGHTSHIFT_CPU_THREADS", "3");
        environment.put("NIGHTSHIFT_MAX_RUNNING", "7");
        environment.put("NIGHTSHIFT_PREFIX_CACHE", "false");
        environment.put("NIGHTSHIFT_DRAIN_TIMEOUT", "PT5S");
        environment.put("NIGHTSHIFT_BODY_LIMIT", "1M");
        environment.put("NIGHTSHIFT_LIMITS_STOP_LENGTH", "9");
        SmallRyeConfig config = config(environment);
        ModelSettings model = config.getConfigMapping(ModelSettings.class);
        assertThat(model.model()).contains("org/name");
        assertThat(model.servedName()).contains("mine");
        assertThat(model.quantisation()).isEqualTo(Quantisation.FP4);
        assertThat(model.backend()).isEqualTo(ModelSettings.Backend.ND4J);
        assertThat(model.memoryBudget().orElseThrow().asLongValue()).isEqualTo(3L << 30);
        assertThat(model.maxContext()).hasValue(512);
        assertThat(model.cpuThreads()).hasValue(3);
        assertThat(config.getConfigMapping(EngineSettings.class).maxRunning()).isEqualTo(7);
        assertThat(config.getConfigMapping(EngineSettings.class).prefixCache()).isFalse();
        HttpSettings http = config.getConfigMapping(HttpSettings.class);
        assertThat(http.drainTimeout()).isEqualTo(Duration.ofSeconds(5));
        assertThat(http.bodyLimit().asLongValue()).isEqualTo(1L << 20);
        assertThat(http.limits().stopLength()).isEqualTo(9);
    }

    @Test
    void noSettingIsBothAValueAndAPrefixOfOthers() {
        Set<String> names = new TreeSet<>();
        for (Class<?> mapping :
                new Class<?>[] {ModelSettings.class, EngineSettings.class, AdapterSettings.class, HttpSettings.class}) {
            for (Method setting : mapping.getMethods()) {
                assertThat(names.add(setting.getName()))
                        .as("%s is set once", setting.getName())
                        .isTrue();
            }
        }
        assertThat(names).contains("model").hasSizeGreaterThan(20);
    }

    /** Expressions of the web server's own settings need these as properties; both places must say the same. */
    @Test
    void thePropertiesFileRepeatsTheDefaultsThatTheServerFollows() throws IOException {
        Properties file = new Properties();
        try (InputStream in = SettingsTest.class.getResourceAsStream("/application.properties")) {
            file.load(in);
        }
        Map<String, String> own = new TreeMap<>();
        file.forEach((name, value) -> {
            if (name.toString().startsWith("nightshift.")) {
                own.put(name.toString(), value.toString());
            }
        });
        assertThat(own.keySet())
                .containsExactlyInAnyOrder(
                        "nightshift.adapter-upload-limit",
                        "nightshift.body-limit",
                        "nightshift.cors-origins",
                        "nightshift.drain-timeout");
        HttpSettings defaults = config(Map.of()).getConfigMapping(HttpSettings.class);
        SmallRyeConfig fromFile = new SmallRyeConfigBuilder()
                .withMapping(HttpSettings.class)
                .withConverter(MemorySize.class, 200, new MemorySizeConverter())
                .withConverter(Duration.class, 200, new DurationConverter())
                .withSources(new PropertiesConfigSource(own, "file", 100))
                .build();
        HttpSettings read = fromFile.getConfigMapping(HttpSettings.class);
        assertThat(read.bodyLimit().asLongValue())
                .isEqualTo(defaults.bodyLimit().asLongValue());
        assertThat(read.adapterUploadLimit().asLongValue())
                .isEqualTo(defaults.adapterUploadLimit().asLongValue());
        assertThat(read.drainTimeout()).isEqualTo(defaults.drainTimeout());
        assertThat(read.corsOrigins()).isEqualTo(defaults.corsOrigins());
    }

    @Test
    void onlyLoopbackAddressesCountAsClosed() {
        assertThat(StartLog.isLoopback("127.0.0.1")).isTrue();
        assertThat(StartLog.isLoopback("localhost")).isTrue();
        assertThat(StartLog.isLoopback("0.0.0.0")).isFalse();
        assertThat(StartLog.isLoopback("no.such.host.invalid")).isFalse();
    }
}
