package dev.nightshift.chat;

import dev.nightshift.engine.AdapterBinding;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.util.List;
import java.util.Objects;

/** The base model alone. */
public record SingleModelCatalog(String id) implements ModelCatalog {
    private static final int NAMED_MAX = 20;

    public SingleModelCatalog {
        Objects.requireNonNull(id, "id is null");
    }

    @Override
    public List<String> ids() {
        return List.of(id);
    }

    @Override
    public AdapterBinding acquire(String model) {
        if (!model.equals(id)) {
            throw unknown(model, ids());
        }
        return AdapterBinding.BASE;
    }

    /** The failure of a name that is not served; long lists of names are cut. */
    public static ServingException unknown(String model, List<String> ids) {
        String shown = model.length() > 200 ? model.substring(0, 200) + "..." : model;
        String known = String.join(", ", ids.subList(0, Math.min(NAMED_MAX, ids.size())));
        String more = ids.size() > NAMED_MAX ? " and " + (ids.size() - NAMED_MAX) + " more" : "";
        return new ServingException(
                        ErrorCode.MODEL_NOT_FOUND,
                        "model '" + shown + "' does not exist; this server has " + known + more)
                .withParam("model");
    }
}
