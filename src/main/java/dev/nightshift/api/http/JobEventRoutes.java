package dev.nightshift.api.http;

import dev.nightshift.failure.ServingException;
import dev.nightshift.tuning.FineTuneJobs;
import dev.nightshift.tuning.Job;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jboss.logging.Logger;

/**
 * {@code GET /v1/fine_tuning/jobs/{id}/events?stream=true}: a job's events as they come, oldest first, from {@code after} on,
 * until the job has ended. Each stream has a virtual thread, which reads the rows; the connection's event loop writes them.
 */
@ApplicationScoped
public class JobEventRoutes {
    private static final Logger LOG = Logger.getLogger(JobEventRoutes.class);
    /** Before the resource of the same path, after what looks at every request. */
    private static final int ORDER = -50;

    private static final int EVENTS_PER_TURN = 100;
    private static final Duration LOOK = Duration.ofMillis(500);

    private final FineTuneJobs jobs;
    private final StreamTimes times;

    JobEventRoutes(FineTuneJobs jobs, StreamTimes times) {
        this.jobs = jobs;
        this.times = times;
    }

    void mount(@Observes Router router) {
        router.get("/v1/fine_tuning/jobs/:job/events").order(ORDER).handler(this::events);
    }

    private void events(RoutingContext call) {
        if (!"true".equals(call.request().getParam("stream"))) {
            call.next();
            return;
        }
        Feed feed = new Feed(call, Vertx.currentContext());
        Thread.ofVirtual().name("job-events").start(feed::run);
    }

    /** One stream. */
    private final class Feed {
        private final RoutingContext call;
        private final HttpServerResponse response;
        private final Context context;
        private final String job;
        private final AtomicBoolean gone = new AtomicBoolean();
        private Optional<String> after;
        private long writtenAt = System.nanoTime();

        Feed(RoutingContext call, Context context) {
            this.call = call;
            this.response = call.response();
            this.context = context;
            this.job = call.pathParam("job");
            this.after = Optional.ofNullable(call.request().getParam("after")).filter(text -> !text.isEmpty());
            // the response has one close handler, on which all end handlers of the call hang
            call.addEndHandler(ended -> gone.set(true));
        }

        void run() {
            try {
                List<Job.Event> first = jobs.eventsSince(job, after, EVENTS_PER_TURN);
                context.runOnContext(now -> begin());
                write(first);
                follow();
            } catch (ServingException e) {
                context.runOnContext(now -> refuse(e));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } catch (RuntimeException e) {
                LOG.error("A job's events could not be streamed", e);
                context.runOnContext(now -> Exchanges.cut(call));
            }
        }

        private void begin() {
            response.setChunked(true);
            response.putHeader("Content-Type", "text/event-stream; charset=utf-8");
            response.putHeader("Cache-Control", "no-cache");
            response.putHeader("X-Accel-Buffering", "no");
        }

        private void refuse(ServingException failure) {
            response.setStatusCode(failure.code().httpStatus());
            response.putHeader("Content-Type", "application/json");
            response.end(Buffer.buffer(Json.bytes(ErrorBody.of(failure))));
        }

        private void follow() throws InterruptedException {
            while (!gone.get()) {
                // the state first: events that came before the end are then all read
                boolean ended = jobs.get(job).state().ended();
                List<Job.Event> events = jobs.eventsSince(job, after, EVENTS_PER_TURN);
                write(events);
                if (events.isEmpty() && ended) {
                    context.runOnContext(now -> response.end("data: [DONE]\n\n"));
                    return;
                }
                if (events.isEmpty()) {
                    keepAlive();
                    jobs.awaitChange(LOOK);
                }
            }
        }

        /** One turn's events are under way at a time: the next are read when these have left. */
        private void write(List<Job.Event> events) throws InterruptedException {
            if (events.isEmpty()) {
                return;
            }
            Buffer frames = Buffer.buffer();
            for (Job.Event event : events) {
                frames.appendString("data: ")
                        .appendBytes(Json.bytes(JobObject.Event.of(event)))
                        .appendString("\n\n");
            }
            after = Optional.of(events.getLast().id());
            send(frames);
        }

        /** Until the connection has taken it; a reader that takes nothing for too long counts as gone. */
        private void send(Buffer frames) throws InterruptedException {
            CompletableFuture<Void> sent = new CompletableFuture<>();
            context.runOnContext(
                    now -> response.write(frames).onSuccess(sent::complete).onFailure(sent::completeExceptionally));
            try {
                sent.get(times.slowReader().toNanos(), TimeUnit.NANOSECONDS);
                writtenAt = System.nanoTime();
            } catch (ExecutionException e) {
                LOG.debugf("A stream of a job's events ended early: %s", e.getMessage());
                gone.set(true);
            } catch (TimeoutException e) {
                gone.set(true);
                context.runOnContext(now -> Exchanges.cut(call));
            }
        }

        private void keepAlive() throws InterruptedException {
            if (System.nanoTime() - writtenAt > times.keepAlive().toNanos()) {
                send(Buffer.buffer(": ping\n\n"));
            }
        }
    }
}
