package dev.nightshift.api.http;

import dev.nightshift.failure.ServingException;
import dev.nightshift.tuning.FineTuneJobs;
import dev.nightshift.tuning.Job;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
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
        Feed feed = new Feed(call);
        Thread.ofVirtual().name("job-events").start(feed::run);
    }

    /** One stream. */
    private final class Feed {
        private final PacedResponse response;
        private final String job;
        private Optional<String> after;
        private long writtenAt = System.nanoTime();

        Feed(RoutingContext call) {
            this.response = new PacedResponse(call, times.slowReader());
            this.job = call.pathParam("job");
            this.after = Optional.ofNullable(call.request().getParam("after")).filter(text -> !text.isEmpty());
        }

        void run() {
            try {
                List<Job.Event> first = jobs.eventsSince(job, after, EVENTS_PER_TURN);
                response.later(Feed::begin);
                write(first);
                follow();
            } catch (ServingException e) {
                response.later(refused -> refuse(refused, e));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } catch (RuntimeException e) {
                LOG.error("A job's events could not be streamed", e);
                response.cut();
            }
        }

        private static void begin(HttpServerResponse response) {
            response.setChunked(true);
            response.putHeader("Content-Type", "text/event-stream; charset=utf-8");
            response.putHeader("Cache-Control", "no-cache");
            response.putHeader("X-Accel-Buffering", "no");
        }

        private static void refuse(HttpServerResponse response, ServingException failure) {
            response.setStatusCode(failure.code().httpStatus());
            response.putHeader("Content-Type", "application/json");
            response.end(Buffer.buffer(Json.bytes(ErrorBody.of(failure))));
        }

        private void follow() throws InterruptedException {
            while (!response.gone()) {
                // the state first: events that came before the end are then all read
                boolean ended = jobs.get(job).state().ended();
                List<Job.Event> events = jobs.eventsSince(job, after, EVENTS_PER_TURN);
                write(events);
                if (events.isEmpty() && ended) {
                    response.later(told -> told.end("data: [DONE]\n\n"));
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

        private void send(Buffer frames) throws InterruptedException {
            if (response.send(frames)) {
                writtenAt = System.nanoTime();
            }
        }

        private void keepAlive() throws InterruptedException {
            if (System.nanoTime() - writtenAt > times.keepAlive().toNanos()) {
                send(Buffer.buffer(": ping\n\n"));
            }
        }
    }
}
