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

        /**
         * @param root the version that an adapter's name means, the base model's own id
         * @param parent the base model's id for an adapter, null for the base model
         */
        static Model of(String id, String root, String parent, long created, int contextMax) {
            return new Model(id, "model", created, "nightshift", root, parent, contextMax, List.of());
        }
    }
}
