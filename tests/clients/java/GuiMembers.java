import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Members of groups that live on in this JVM from one command of tool-commands.txt to another. Each has committed offset 1
 * of every partition that it has, with a note, and fetches nothing.
 */
final class GuiMembers {
    private static final Map<String, GuiMembers> MEMBERS = new ConcurrentHashMap<>();

    private final CompletableFuture<String> joined = new CompletableFuture<>();
    private final CompletableFuture<String> left = new CompletableFuture<>();
    private volatile boolean leaving;

    /** STRATEGY is consumer, for the protocol of that name, or a classic assignor's class. */
    static void join(String broker, String name, String group, String strategy, List<String> topics, String instance) throws Exception {
        Map<String, Object> properties = new HashMap<>(Map.of("bootstrap.servers", broker, "client.id", name, "group.id", group,
            "enable.auto.commit", false, "auto.offset.reset", "earliest", "client.rack", "rack-" + name));
        if (strategy.equals("consumer")) properties.put("group.protocol", "consumer");
        else properties.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + strategy);
        if (instance != null) properties.put("group.instance.id", instance);
        GuiMembers member = new GuiMembers();
        MEMBERS.put(broker + name, member);
        Thread thread = new Thread(() -> member.run(properties, topics), name);
        thread.setDaemon(true);
        thread.start();
        System.out.println(name + " has " + member.joined.get(14, TimeUnit.SECONDS));
    }

    static void leave(String broker, String name) throws Exception {
        GuiMembers member = MEMBERS.get(broker + name);
        member.leaving = true;
        System.out.println(name + " " + member.left.get(14, TimeUnit.SECONDS));
    }

    private void run(Map<String, Object> properties, List<String> topics) {
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(topics);
            while (!leaving) {
                consumer.poll(Duration.ofMillis(100));
                consumer.pause(consumer.assignment());
                if (!consumer.assignment().isEmpty() && !joined.isDone()) {
                    consumer.commitSync(consumer.assignment().stream().collect(Collectors.toMap(partition -> partition, partition -> new OffsetAndMetadata(1, "at one"))));
                    joined.complete(consumer.assignment().stream().map(String::valueOf).sorted().collect(Collectors.joining(", ")));
                }
            }
        } catch (RuntimeException thrown) {
            joined.completeExceptionally(thrown);
            left.complete("ended with " + thrown.getClass().getSimpleName());
        }
        left.complete("left");
    }
}
