// What ../python/workers.py does, with java.net.http.HttpClient. A fourth argument `http1` sets its version;
// without it it is the default, which asks a cleartext server for HTTP/2 by `Upgrade: h2c`.

import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

public class Client {
    static final int PAUSE_MS = 200;
    static final int GIVES_UP_AFTER = 3;
    static final int WARM = 3;

    static String url;
    static int workers;
    static long seed;
    static HttpClient client;

    static int warm, answered, posted, refused;
    static final List<String> failed = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        url = args[0];
        workers = Integer.parseInt(args[1]);
        seed = Long.parseLong(args[2]);
        HttpClient.Builder builder = HttpClient.newBuilder();
        if (args.length > 3 && args[3].equals("http1")) {
            builder.version(HttpClient.Version.HTTP_1_1);
        }
        client = builder.build();
        List<Thread> threads = new ArrayList<>();
        for (int number = 0; number < workers; number++) {
            int it = number;
            threads.add(new Thread(() -> work(it)));
        }
        for (Thread thread : threads) thread.start();
        for (Thread thread : threads) thread.join();
        StringBuilder list = new StringBuilder();
        for (String it : failed) {
            list.append(list.length() == 0 ? "" : ",").append('"').append(it.replaceAll("[\\\\\"\\p{Cntrl}]", " ")).append('"');
        }
        System.out.printf(
            "{\"answered\":%d,\"posted\":%d,\"refused\":%d,\"failed\":[%s]}%n", answered, posted, refused, list);
        System.exit(0);
    }

    static void work(int number) {
        Random random = new Random(seed * 1000 + number);
        int mine = 0;
        int inVain = 0;
        for (int asked = 1; inVain < GIVES_UP_AFTER; asked++) {
            try {
                Thread.sleep(random.nextInt(PAUSE_MS));
                boolean order = random.nextBoolean();
                HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + (order ? "/orders" : "/work?ms=5")));
                if (order) {
                    String body = String.format("{\"item\":\"%d-%d-%d\",\"quantity\":1}", seed, number, asked);
                    request.header("content-type", "application/json").POST(HttpRequest.BodyPublishers.ofString(body));
                }
                int status = client.send(request.build(), HttpResponse.BodyHandlers.ofString()).statusCode();
                if (status < 200 || status > 299) throw new Exception("status " + status);
                inVain = 0;
                mine++;
                synchronized (failed) {
                    answered++;
                    if (order) posted++;
                    if (mine == WARM && ++warm == workers) {
                        System.out.println("ready");
                        System.out.flush();
                    }
                }
            } catch (Exception error) {
                inVain++;
                synchronized (failed) {
                    if (isRefused(error)) refused++;
                    else failed.add(error.toString());
                }
            }
        }
    }

    static boolean isRefused(Throwable error) {
        for (; error != null; error = error.getCause()) {
            if (error instanceof ConnectException) return true;
        }
        return false;
    }
}
