import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs a list of commands of Kafka's tools against several brokers, in this one JVM: a start of a JVM for each would
 * take seconds. For each command and broker the status and all that was printed go to a file.
 *
 * Usage: Tools COMMANDS OUT NAME=BOOTSTRAP=DIR...
 *
 * A line of COMMANDS is a tool of TOOLS with its arguments, split as a shell splits them; `<<< TEXT` is its standard
 * input, in which \n is a new line and \t a tab; @BROKER@ and @DIR@ stand for the broker's address and its directory; a line that
 * begins with # says something to people. The tool gets the broker's address without being told. `file NAME TEXT`
 * writes a file into the broker's directory; `admin` and `produce` are those of Gui, whose members stay from `admin join` to `admin leave`.
 */
public final class Tools {
    private static final String TOOLS = "org.apache.kafka.tools.";
    /** The main class of each tool, and whether the broker's address comes before its arguments, after, or not at all. */
    private static final Map<String, String[]> MAINS = Map.ofEntries(
        tool("topics", TOOLS + "TopicCommand", "after"),
        tool("configs", "kafka.admin.ConfigCommand", "after"),
        tool("get-offsets", TOOLS + "GetOffsetShell", "after"),
        tool("delete-records", TOOLS + "DeleteRecordsCommand", "after"),
        tool("log-dirs", TOOLS + "LogDirsCommand", "after"),
        tool("reassign-partitions", TOOLS + "reassign.ReassignPartitionsCommand", "after"),
        tool("leader-election", TOOLS + "LeaderElectionCommand", "after"),
        tool("features", TOOLS + "FeatureCommand", "before"),
        tool("metadata-quorum", TOOLS + "MetadataQuorumCommand", "before"),
        tool("cluster", TOOLS + "ClusterTool", "after"),
        tool("broker-api-versions", TOOLS + "BrokerApiVersionsCommand", "after"),
        tool("client-metrics", TOOLS + "ClientMetricsCommand", "after"),
        tool("dump-log", "kafka.tools.DumpLogSegments", ""),
        tool("console-producer", TOOLS + "ConsoleProducer", "after"),
        tool("console-consumer", TOOLS + "consumer.ConsoleConsumer", "after"),
        tool("consumer-groups", TOOLS + "consumer.group.ConsumerGroupCommand", "after"),
        tool("groups", TOOLS + "GroupsCommand", "after"),
        tool("consumer-perf-test", TOOLS + "ConsumerPerformance", "after"),
        tool("verifiable-producer", TOOLS + "VerifiableProducer", "after"),
        tool("verifiable-consumer", TOOLS + "VerifiableConsumer", "after"),
        tool("admin", "Gui", "before"),
        tool("produce", "Gui", "before"));
    private static final int SECONDS_MAX = 15;

    private static final PrintStream REAL_OUT = System.out;
    private static final List<Runnable> HOOKS = new ArrayList<>();
    private static volatile Integer status;

    private static Map.Entry<String, String[]> tool(String name, String main, String address) {
        return Map.entry(name, new String[] {main, address});
    }

    /** What Exit.exit throws here, so that the tool ends and this program does not. */
    private static final class Ended extends Error {
        private static final long serialVersionUID = 1;
    }

    /**
     * What is printed, line by line, with "! " before a line of the error channel. One such stream stays installed for
     * good, as Scala's println and the log keep the stream that they saw first.
     */
    private static final class Captured extends OutputStream {
        private static final ByteArrayOutputStream ALL = new ByteArrayOutputStream();
        private final ByteArrayOutputStream line = new ByteArrayOutputStream();
        private final String mark;

        Captured(String mark) {
            this.mark = mark;
        }

        @Override
        public void write(int b) {
            synchronized (ALL) {
                line.write(b);
                if (b == '\n') end();
            }
        }

        void end() {
            synchronized (ALL) {
                if (line.size() > 0) ALL.writeBytes((mark + line.toString(StandardCharsets.UTF_8).stripTrailing() + "\n").getBytes(StandardCharsets.UTF_8));
                line.reset();
            }
        }

        static String taken() {
            synchronized (ALL) {
                String all = ALL.toString(StandardCharsets.UTF_8);
                ALL.reset();
                return all;
            }
        }
    }

    public static void main(String[] args) throws Exception {
        Captured out = new Captured("");
        Captured err = new Captured("! ");
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        Exit.setExitProcedure((code, message) -> {
            if (status == null) {
                status = code;
                if (message != null) System.err.println(message);
            }
            throw new Ended();
        });
        Exit.setHaltProcedure((code, message) -> {
            throw new Ended();
        });
        Exit.setShutdownHookAdder((name, hook) -> HOOKS.add(hook));

        Path directory = Files.createDirectories(Path.of(args[1]));
        int number = 0;
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            if (line.isBlank() || line.startsWith("#")) continue;
            number += 1;
            Files.writeString(directory.resolve(String.format("%03d.command", number)), line + "\n");
            StringBuilder times = new StringBuilder();
            for (int side = 2; side < args.length; side++) {
                String[] broker = args[side].split("=", 3);
                long began = System.nanoTime();
                run(split(line.replace("@BROKER@", broker[1]).replace("@DIR@", broker[2])), broker[1], broker[2]);
                out.end();
                err.end();
                times.append(String.format("%6d ", TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began)));
                Files.writeString(directory.resolve(String.format("%03d.%s", number, broker[0])), Captured.taken() + "status " + status + "\n");
            }
            REAL_OUT.printf("%s ms  %03d %s%n", times, number, line);
        }
        REAL_OUT.flush();
        Runtime.getRuntime().halt(0);
    }

    /** Runs one command to its end, with what it wanted done at the end of the process. */
    private static void run(List<String> words, String broker, String directory) throws IOException, InterruptedException {
        status = null;
        int input = words.indexOf("<<<");
        String given = input < 0 ? "" : words.get(input + 1).replace("\\n", "\n").replace("\\t", "\t") + "\n";
        List<String> arguments = new ArrayList<>(words.subList(1, input < 0 ? words.size() : input));
        System.setIn(new ByteArrayInputStream(given.getBytes(StandardCharsets.UTF_8)));
        if (words.get(0).equals("file")) {
            Files.writeString(Path.of(directory, arguments.get(0)), arguments.get(1).replace("\\n", "\n"));
            status = 0;
            return;
        }
        String[] tool = MAINS.get(words.get(0));
        if (tool == null) throw new IllegalArgumentException("no tool " + words.get(0));
        if (tool[1].equals("before")) arguments.addAll(0, List.of("--bootstrap-server", broker));
        if (tool[1].equals("after")) arguments.addAll(List.of("--bootstrap-server", broker));
        if (words.get(0).equals("produce")) arguments.add(2, "produce");
        Thread thread = new Thread(() -> {
            call(tool[0], arguments);
            // It closes its producer at the end of its process, and until then hears what became of its records.
            if (words.get(0).equals("verifiable-producer")) sleep(1000);
            for (Runnable hook : List.copyOf(HOOKS)) hook.run();
        });
        HOOKS.clear();
        thread.setDaemon(true);
        thread.start();
        thread.join(SECONDS_MAX * 1000L);
        if (thread.isAlive()) {
            thread.interrupt();
            thread.join(1000);
            System.err.println("no end within " + SECONDS_MAX + " s");
        }
    }

    private static void sleep(long milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException never) {
            throw new IllegalStateException(never);
        }
    }

    private static void call(String name, List<String> arguments) {
        try {
            Class<?> type = Class.forName(name);
            for (Field field : type.getDeclaredFields()) {
                // ConsoleConsumer counts in a static field, from the start of its process.
                if (field.getName().equals("messageCount")) {
                    field.setAccessible(true);
                    field.setInt(null, 0);
                }
            }
            Method main = type.getMethod("main", String[].class);
            main.invoke(null, (Object) arguments.toArray(String[]::new));
            if (status == null) status = 0;
        } catch (InvocationTargetException thrown) {
            if (thrown.getCause() instanceof Ended) return;
            thrown.getCause().printStackTrace();
            if (status == null) status = 1;
        } catch (ReflectiveOperationException thrown) {
            thrown.printStackTrace();
            if (status == null) status = 1;
        }
    }

    /** The words of a line, where ' and " hold a word together. */
    private static List<String> split(String line) {
        List<String> words = new ArrayList<>();
        StringBuilder word = new StringBuilder();
        char quote = 0;
        boolean inside = false;
        for (char c : line.toCharArray()) {
            if (quote != 0) {
                if (c == quote) quote = 0;
                else word.append(c);
            } else if (c == '\'' || c == '"') {
                quote = c;
                inside = true;
            } else if (c == ' ') {
                if (inside) words.add(word.toString());
                word.setLength(0);
                inside = false;
            } else {
                word.append(c);
                inside = true;
            }
        }
        if (inside) words.add(word.toString());
        return words;
    }
}
