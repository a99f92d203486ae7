package dev.nightshift.api.grpc;

import com.google.protobuf.Timestamp;
import dev.nightshift.adapter.AdapterView;
import dev.nightshift.proto.v1.Adapter;
import dev.nightshift.proto.v1.AdapterState;
import dev.nightshift.proto.v1.AdapterVersion;

/** Adapters as messages. */
final class AdapterMessages {
    private AdapterMessages() {}

    /** @param parent the base model's name */
    static Adapter adapter(AdapterView view, String parent) {
        return Adapter.newBuilder()
                .setId(view.id())
                .setAlias(view.alias())
                .setPinned(view.pinned())
                .setParent(parent)
                .setVersion(version(view.version()))
                .build();
    }

    static AdapterVersion version(dev.nightshift.adapter.AdapterVersion version) {
        return AdapterVersion.newBuilder()
                .setName(version.name())
                .setNumber(version.number())
                .setDigest(version.digest())
                .setState(state(version.state()))
                .setReason(version.reason())
                .setRank(version.rank())
                .setBytes(version.bytes())
                .setResident(version.resident())
                .setLeases(version.leases())
                .setBase(version.origin().base())
                .setBaseDigest(version.origin().baseDigest())
                .setJob(version.origin().job())
                .setCreated(Timestamp.newBuilder()
                        .setSeconds(version.origin().created().getEpochSecond())
                        .setNanos(version.origin().created().getNano()))
                .setData(version.origin().data())
                .putAllEvaluation(version.origin().evaluation())
                .setForeign(version.foreign())
                .build();
    }

    private static AdapterState state(dev.nightshift.adapter.AdapterState state) {
        return switch (state) {
            case REGISTERED -> AdapterState.ADAPTER_STATE_REGISTERED;
            case LOADING -> AdapterState.ADAPTER_STATE_LOADING;
            case READY -> AdapterState.ADAPTER_STATE_READY;
            case FAILED -> AdapterState.ADAPTER_STATE_FAILED;
            case RETIRING -> AdapterState.ADAPTER_STATE_RETIRING;
        };
    }
}
