package dev.nightshift.api.http;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EdgeRoutesTest {

    @ParameterizedTest
    @CsvSource({
        "/,/",
        "//,/",
        "/v1/models,/v1/models",
        "//v1/models,/v1/models",
        "/v1//models//,/v1/models",
        "/v1/tokenize,/tokenize",
        "/v1/tokenizer_info/,/tokenizer_info",
        "/q/openapi,/openapi",
        "/v1/models/org%2Fname,/v1/models/org%2Fname"
    })
    void pathsAreTidied(String path, String tidy) {
        assertThat(EdgeRoutes.tidy(path)).isEqualTo(tidy);
        assertThat(EdgeRoutes.tidy(tidy)).as("a tidy path stays").isEqualTo(tidy);
    }
}
