package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;

/** {@code GET /v1/models}. */
public record ModelList(String object, List<Model> data) {

    /** A model's card; {@code root}, {@code parent} and {@code max_model_len} are vLLM's. */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    public record Model(
            String id,
            String object,
            long created,
            @JsonProperty("owned_by") String ownedBy,
            String root,
            String parent,
            @JsonProperty("max_model_len") int maxModelLen,
            List<Object> permission) {

        static Model of(ServedModel.Served served) {
            return new Model(
                    served.id(),
                    "model",
                    served.created(),
                    "nightshift",
                    served.root(),
                    served.parent(),
                    served.contextMax(),
                    List.of());
        }
    }
}
