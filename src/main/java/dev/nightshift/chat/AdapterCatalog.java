package dev.nightshift.chat;

import dev.nightshift.adapter.AdapterLease;
import dev.nightshift.adapter.AdapterRegistry;
import dev.nightshift.adapter.AdapterView;
import dev.nightshift.engine.AdapterBinding;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** The base model and the adapters of a registry. */
public record AdapterCatalog(String base, AdapterRegistry registry) implements ModelCatalog {
    public AdapterCatalog {
        Objects.requireNonNull(base, "base is null");
        Objects.requireNonNull(registry, "registry is null");
    }

    @Override
    public List<String> ids() {
        List<String> ids = new ArrayList<>();
        ids.add(base);
        registry.list().stream()
                .map(AdapterView::id)
                .filter(id -> !id.equals(base))
                .forEach(ids::add);
        return ids;
    }

    @Override
    public AdapterBinding acquire(String model) {
        if (model.equals(base)) {
            return AdapterBinding.BASE;
        }
        AdapterLease lease;
        try {
            lease = registry.acquire(model);
        } catch (ServingException e) {
            throw e.code() == ErrorCode.MODEL_NOT_FOUND
                    ? SingleModelCatalog.unknown(model, ids())
                    : e.withParam("model");
        }
        return new AdapterBinding(lease::slot, lease.digest(), lease::close);
    }
}
