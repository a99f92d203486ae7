package dev.nightshift.api.grpc;

import io.grpc.ManagedChannel;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Asks a server's reflection service, as tools do that have no proto file. */
final class Reflection {
    private Reflection() {}

    static List<String> services(ManagedChannel channel, String version) {
        return switch (version) {
            case "v1" -> v1(channel);
            case "v1alpha" -> v1alpha(channel);
            default -> throw new IllegalArgumentException(version);
        };
    }

    private static List<String> v1(ManagedChannel channel) {
        Answer<io.grpc.reflection.v1.ServerReflectionResponse> answer = new Answer<>();
        var requests =
                io.grpc.reflection.v1.ServerReflectionGrpc.newStub(channel).serverReflectionInfo(answer);
        requests.onNext(io.grpc.reflection.v1.ServerReflectionRequest.newBuilder()
                .setListServices("")
                .build());
        List<String> names = answer.get().getListServicesResponse().getServiceList().stream()
                .map(io.grpc.reflection.v1.ServiceResponse::getName)
                .toList();
        requests.onCompleted();
        return names;
    }

    private static List<String> v1alpha(ManagedChannel channel) {
        Answer<grpc.reflection.v1alpha.Reflection.ServerReflectionResponse> answer = new Answer<>();
        var requests =
                grpc.reflection.v1alpha.ServerReflectionGrpc.newStub(channel).serverReflectionInfo(answer);
        requests.onNext(grpc.reflection.v1alpha.Reflection.ServerReflectionRequest.newBuilder()
                .setListServices("")
                .build());
        List<String> names = answer.get().getListServicesResponse().getServiceList().stream()
                .map(grpc.reflection.v1alpha.Reflection.ServiceResponse::getName)
                .toList();
        requests.onCompleted();
        return names;
    }

    private static final class Answer<A> implements StreamObserver<A> {
        private final CompletableFuture<A> first = new CompletableFuture<>();

        A get() {
            return first.orTimeout(10, TimeUnit.SECONDS).join();
        }

        @Override
        public void onNext(A answer) {
            first.complete(answer);
        }

        @Override
        public void onError(Throwable error) {
            first.completeExceptionally(error);
        }

        @Override
        public void onCompleted() {}
    }
}
