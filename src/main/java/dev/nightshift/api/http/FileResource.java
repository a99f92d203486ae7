package dev.nightshift.api.http;

import dev.nightshift.files.FileStore;
import dev.nightshift.files.Purpose;
import dev.nightshift.files.StoredFile;
import io.smallrye.common.annotation.Blocking;
import io.smallrye.common.annotation.NonBlocking;
import io.smallrye.mutiny.Uni;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.DELETE;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.PathParam;
import jakarta.ws.rs.QueryParam;
import jakarta.ws.rs.core.Context;
import jakarta.ws.rs.core.Response;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.OptionalLong;
import org.eclipse.microprofile.openapi.annotations.Operation;
import org.eclipse.microprofile.openapi.annotations.media.Content;
import org.eclipse.microprofile.openapi.annotations.media.Schema;
import org.eclipse.microprofile.openapi.annotations.responses.APIResponse;
import org.eclipse.microprofile.openapi.annotations.tags.Tag;

/** {@code /v1/files}, but for the one that brings a file, which is {@link FileRoutes}'. */
@Path("/v1/files")
@ApplicationScoped
@Blocking
@Tag(name = "Files")
public class FileResource {
    private static final int LIMIT_MAX = 10_000;

    private final FileStore files;
    private final Downloads downloads;

    FileResource(FileStore files, Downloads downloads) {
        this.files = files;
        this.downloads = downloads;
    }

    /** Newest first unless {@code order} says otherwise. */
    @GET
    @Operation(summary = "List uploaded files", operationId = "listFiles")
    @APIResponse(
            responseCode = "200",
            content =
                    @Content(mediaType = "application/json", schema = @Schema(implementation = FileObject.Page.class)))
    public Response list(
            @QueryParam("purpose") String purpose,
            @QueryParam("limit") String limit,
            @QueryParam("order") String order,
            @QueryParam("after") String after) {
        return Answers.json(FileObject.Page.of(files.list(
                given(purpose).map(Purpose::of),
                given(after),
                FileFields.limit(limit, LIMIT_MAX, LIMIT_MAX),
                FileFields.newestFirst(order))));
    }

    private static Optional<String> given(String parameter) {
        return Optional.ofNullable(parameter).filter(text -> !text.isEmpty());
    }

    /** One file. */
    @GET
    @Path("/{id}")
    @Operation(summary = "Describe a file", operationId = "retrieveFile")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = FileObject.class)))
    public Response retrieve(@PathParam("id") String id) {
        return Answers.json(FileObject.of(files.get(id)));
    }

    /** Whatever type the client says it accepts: this is the file as it was sent. */
    @GET
    @Path("/{id}/content")
    @Operation(summary = "The content of a file, byte by byte as it was uploaded", operationId = "downloadFile")
    @NonBlocking
    public Uni<Response> content(@PathParam("id") String id, @Context RoutingContext call) {
        return downloads.send(call, () -> content(id));
    }

    private Download content(String id) {
        StoredFile file = files.get(id);
        String name = URLEncoder.encode(file.filename(), StandardCharsets.UTF_8).replace("+", "%20");
        InputStream stored = files.open(id);
        return new Download(
                "application/octet-stream",
                "attachment; filename*=UTF-8''" + name,
                OptionalLong.of(file.bytes()),
                new Download.Body() {
                    @Override
                    public void writeTo(OutputStream out) throws IOException {
                        stored.transferTo(out);
                    }

                    @Override
                    public void close() throws IOException {
                        stored.close();
                    }
                });
    }

    /** Jobs that read it keep what they have. */
    @DELETE
    @Path("/{id}")
    @Operation(summary = "Delete a file", operationId = "deleteFile")
    @APIResponse(
            responseCode = "200",
            content =
                    @Content(
                            mediaType = "application/json",
                            schema = @Schema(implementation = FileObject.Deleted.class)))
    public Response delete(@PathParam("id") String id) {
        files.delete(id);
        return Answers.json(new FileObject.Deleted(id, "file", true));
    }
}
