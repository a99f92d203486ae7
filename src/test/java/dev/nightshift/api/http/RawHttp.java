package dev.nightshift.api.http;

import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** HTTP/1.1 by hand over one socket: what is on the wire, to the byte, and connections that end as clients' do. */
final class RawHttp implements Closeable {
    private final Socket socket;
    private final ByteArrayOutputStream seen = new ByteArrayOutputStream();

    RawHttp(URI server) throws IOException {
        this(server, 0);
    }

    /** @param receiveBuffer bytes the system takes for us, 0 = its choice */
    RawHttp(URI server, int receiveBuffer) throws IOException {
        socket = new Socket();
        if (receiveBuffer > 0) {
            socket.setReceiveBufferSize(receiveBuffer);
        }
        socket.connect(new InetSocketAddress(server.getHost(), server.getPort()), 5000);
        socket.setTcpNoDelay(true);
    }

    RawHttp post(String path, String json, String... headers) throws IOException {
        byte[] body = json.getBytes(StandardCharsets.UTF_8);
        StringBuilder head = new StringBuilder("POST " + path + " HTTP/1.1\r\nHost: localhost\r\n");
        head.append("Content-Type: application/json\r\nContent-Length: ")
                .append(body.length)
                .append("\r\n");
        for (String header : headers) {
            head.append(header).append("\r\n");
        }
        send(head.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1));
        return send(body);
    }

    RawHttp get(String path, String... headers) throws IOException {
        StringBuilder head = new StringBuilder("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n");
        for (String header : headers) {
            head.append(header).append("\r\n");
        }
        return send(head.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1));
    }

    RawHttp send(byte[] bytes) throws IOException {
        socket.getOutputStream().write(bytes);
        socket.getOutputStream().flush();
        return this;
    }

    /** Reads until a text has come, and returns all that was seen so far. */
    String until(String text, Duration timeout) throws IOException {
        long end = System.nanoTime() + timeout.toNanos();
        InputStream in = socket.getInputStream();
        byte[] buffer = new byte[4096];
        while (!text().contains(text)) {
            int left = (int) ((end - System.nanoTime()) / 1_000_000);
            if (left <= 0) {
                throw new AssertionError("no '" + text + "' within " + timeout + " in: " + text());
            }
            socket.setSoTimeout(left);
            try {
                int count = in.read(buffer);
                if (count < 0) {
                    throw new AssertionError("closed without '" + text + "': " + text());
                }
                seen.write(buffer, 0, count);
            } catch (SocketTimeoutException e) {
                // the loop says so
            }
        }
        return text();
    }

    /** Reads to the connection's end. */
    String untilClosed(Duration timeout) throws IOException {
        socket.setSoTimeout((int) timeout.toMillis());
        seen.writeBytes(socket.getInputStream().readAllBytes());
        return text();
    }

    /** Reads so many bytes and keeps nothing. */
    void skip(int bytes) throws IOException {
        socket.getInputStream().skipNBytes(bytes);
    }

    /** Reads to the connection's end and keeps nothing. */
    long bytesUntilClosed(Duration timeout) throws IOException {
        socket.setSoTimeout((int) timeout.toMillis());
        return socket.getInputStream().transferTo(OutputStream.nullOutputStream());
    }

    String text() {
        return seen.toString(StandardCharsets.UTF_8);
    }

    /** The body of a chunked answer, without the chunks' frame. */
    static String unchunked(String answer) {
        String rest = answer.substring(answer.indexOf("\r\n\r\n") + 4);
        StringBuilder body = new StringBuilder();
        byte[] bytes = rest.getBytes(StandardCharsets.UTF_8);
        int at = 0;
        while (at < bytes.length) {
            int line = new String(bytes, at, bytes.length - at, StandardCharsets.ISO_8859_1).indexOf("\r\n");
            int size = Integer.parseInt(new String(bytes, at, line, StandardCharsets.ISO_8859_1), 16);
            if (size == 0) {
                break;
            }
            body.append(new String(bytes, at + line + 2, size, StandardCharsets.UTF_8));
            at += line + 2 + size + 2;
        }
        return body.toString();
    }

    /** Ends the connection with a reset, as a client that dies does. */
    void reset() throws IOException {
        socket.setSoLinger(true, 0);
        socket.close();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
