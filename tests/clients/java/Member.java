import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Hosts members of groups, each a KafkaConsumer; python/groups.py, which drives it, says in what words.
 * {@code java Member HOST:PORT}, with the clients of any version from 0.11.0.0 on.
 */
public final class Member implements Runnable, ConsumerRebalanceListener {
    private static final Map<String, String> ASSIGNORS = Map.of(
            "range", "RangeAssignor", "roundrobin", "RoundRobinAssignor", "sticky", "StickyAssignor", "cooperative-sticky", "CooperativeStickyAssignor");

    private static String broker;

    private final String name;
    private final Map<String, String> settings;
    private final Map<TopicPartition, OffsetAndMetadata> uncommitted = new HashMap<>();
    private KafkaConsumer<byte[], byte[]> consumer;
    private Set<TopicPartition> told = Set.of();
    private volatile long pause;
    private volatile boolean leaving;

    private Member(String name, Map<String, String> settings) {
        this.name = name;
        this.settings = settings;
    }

    public static void main(String[] arguments) throws Exception {
        broker = arguments[0];
        Map<String, Member> members = new ConcurrentHashMap<>();
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            String[] words = line.split(" ");
            String name = words[1];
            switch (words[0]) {
                case "start" -> {
                    Map<String, String> settings = new HashMap<>();
                    for (String word : List.of(words).subList(2, words.length)) {
                        settings.put(word.substring(0, word.indexOf('=')), word.substring(word.indexOf('=') + 1));
                    }
                    members.put(name, new Member(name, settings));
                    new Thread(members.get(name), name).start();
                }
                case "pause" -> members.get(name).pause = Long.parseLong(words[2]);
                case "leave" -> members.get(name).leaving = true;
                default -> throw new IllegalArgumentException(line);
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private void say(String event, Collection<String> words) {
        StringBuilder line = new StringBuilder(name).append(' ').append(event);
        for (String word : words) line.append(' ').append(word);
        synchronized (System.out) {
            System.out.println(line);
            System.out.flush();
        }
    }

    private void has(Set<TopicPartition> partitions) {
        if (partitions.equals(told)) return;
        told = Set.copyOf(partitions);
        Set<String> words = new TreeSet<>();
        for (TopicPartition partition : told) words.add(partition.topic() + "/" + partition.partition());
        say("have", words);
    }

    private Map<String, Object> properties() {
        Map<String, Object> properties = new HashMap<>(Map.of("bootstrap.servers", broker, "client.id", name, "group.id", settings.get("group"),
                "enable.auto.commit", false, "auto.offset.reset", "earliest", "metadata.max.age.ms", 1000, "fetch.max.wait.ms", 100, "max.poll.records", 100));
        properties.put("max.poll.interval.ms", Integer.valueOf(settings.get("poll")));
        if (settings.containsKey("instance")) properties.put("group.instance.id", settings.get("instance"));
        if (settings.get("strategy").equals("consumer")) {
            properties.put("group.protocol", "consumer");
        } else {
            properties.put("group.protocol", "classic");
            properties.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + ASSIGNORS.get(settings.get("strategy")));
            properties.put("session.timeout.ms", Integer.valueOf(settings.get("session")));
            properties.put("heartbeat.interval.ms", Integer.valueOf(settings.get("heartbeat")));
        }
        return properties;
    }

    @Override
    public void run() {
        try {
            consumer = new KafkaConsumer<>(properties(), new ByteArrayDeserializer(), new ByteArrayDeserializer());
            if (!settings.containsKey("pattern")) consumer.subscribe(List.of(settings.get("topics").split(",")), this);
            else if (settings.get("strategy").equals("consumer")) Apart.subscribe(this, settings.get("pattern"));
            else consumer.subscribe(Pattern.compile(settings.get("pattern")), this);
            while (!leaving) {
                if (pause > 0) {
                    Thread.sleep(pause);
                    pause = 0;
                }
                handle(poll());
                has(consumer.assignment());
            }
            consumer.close();
            say("left", List.of());
        } catch (Exception | Error thrown) {
            thrown.printStackTrace();
            say("failed", List.of(String.valueOf(thrown).replaceAll("\\s+", " ")));
        }
    }

    /** Before 2.0 a poll takes milliseconds, since 4.0 only a Duration. */
    @SuppressWarnings("unchecked")
    private ConsumerRecords<byte[], byte[]> poll() throws ReflectiveOperationException {
        try {
            return consumer.poll(Duration.ofMillis(100));
        } catch (NoSuchMethodError old) {
            return (ConsumerRecords<byte[], byte[]>) KafkaConsumer.class.getMethod("poll", long.class).invoke(consumer, 100L);
        }
    }

    private void handle(ConsumerRecords<byte[], byte[]> records) {
        if (!records.isEmpty()) {
            Set<String> words = new TreeSet<>();
            for (ConsumerRecord<byte[], byte[]> record : records) {
                words.add(record.topic() + "/" + record.partition() + "/" + record.offset() + "/" + new String(record.value(), StandardCharsets.UTF_8));
                uncommitted.merge(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1),
                        (a, b) -> a.offset() > b.offset() ? a : b);
            }
            say("handled", words);
        }
        commit();
    }

    /** What cannot be committed while the group rebalances is committed later, or else handled again by somebody. */
    private void commit() {
        if (uncommitted.isEmpty()) return;
        try {
            consumer.commitSync(Map.copyOf(uncommitted));
            uncommitted.clear();
        } catch (RetriableException | CommitFailedException | RebalanceInProgressException later) {
            System.err.println(name + " " + later);
        }
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        commit();
        uncommitted.keySet().removeAll(partitions);
        Set<TopicPartition> rest = new HashSet<>(told);
        rest.removeAll(partitions);
        has(rest);
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}

    @Override // since 2.4; before, nobody calls it
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        uncommitted.keySet().removeAll(partitions);
        Set<TopicPartition> rest = new HashSet<>(told);
        rest.removeAll(partitions);
        has(rest);
    }

    /** Apart, since old clients have no such class. */
    private static final class Apart {
        static void subscribe(Member member, String pattern) {
            member.consumer.subscribe(new SubscriptionPattern(pattern), member);
        }
    }
}
