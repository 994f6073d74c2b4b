import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * How long a group stands still when a member joins and when one leaves. To each partition a record comes every PERIOD_MS
 * all the time; a pause of a partition is the longest time between two of its records that members got, one of the group
 * the longest time in which no member got any.
 *
 * {@code java Rebalance HOST:PORT NAME MEMBERS PARTITIONS ROUNDS}: for each protocol and event a line of tab-separated
 * NAME, protocol, event and, of the median round, in ms: the group's pause, the mean and the longest of the partitions'
 * pauses, how many partitions paused for more than PAUSED_MS, and the time until all partitions moved on in new hands.
 */
public final class Rebalance {
    private static final int PERIOD_MS = 20;
    private static final int PAUSED_MS = 150;
    private static final int HEARTBEAT_MS = 1000;
    private static final Map<String, Map<String, Object>> PROTOCOLS = Map.of(
        "1 classic, eager", Map.of("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor", "heartbeat.interval.ms", HEARTBEAT_MS),
        "2 classic, cooperative", Map.of("partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor", "heartbeat.interval.ms", HEARTBEAT_MS),
        "3 consumer (KIP-848)", Map.of("group.protocol", "consumer"));

    private final String broker;
    private final String topic;
    private final Map<String, Object> protocol;
    private final AtomicLongArray last;
    private final AtomicLongArray pauses;
    private final AtomicLong lastOfAll = new AtomicLong();
    private final AtomicLong pauseOfAll = new AtomicLong();
    private final List<Member> members = new ArrayList<>();
    private volatile boolean over;

    private Rebalance(String broker, String topic, Map<String, Object> protocol, int partitions) {
        this.broker = broker;
        this.topic = topic;
        this.protocol = protocol;
        last = new AtomicLongArray(partitions);
        pauses = new AtomicLongArray(partitions);
    }

    public static void main(String[] arguments) throws Exception {
        int members = Integer.parseInt(arguments[2]);
        int partitions = Integer.parseInt(arguments[3]);
        int rounds = Integer.parseInt(arguments[4]);
        for (String name : PROTOCOLS.keySet().stream().sorted().toList()) {
            String topic = "rebalance-" + name.charAt(0);
            try (Admin admin = Admin.create(Map.of("bootstrap.servers", arguments[0]))) {
                admin.createTopics(Set.of(new NewTopic(topic, partitions, (short) 1))).all().get();
                // Apache Kafka names a leader in its metadata a little before that broker knows of it; who is asked for an offset does.
                admin.listOffsets(IntStream.range(0, partitions).boxed().collect(Collectors.toMap(p -> new TopicPartition(topic, p), p -> OffsetSpec.latest()))).all().get();
            }
            Rebalance group = new Rebalance(arguments[0], topic, PROTOCOLS.get(name), partitions);
            List<long[]> joins = new ArrayList<>();
            List<long[]> leaves = new ArrayList<>();
            group.run(members, rounds, joins, leaves);
            report(arguments[1], name.substring(2), "join", joins);
            report(arguments[1], name.substring(2), "leave", leaves);
        }
    }

    private static void report(String name, String protocol, String event, List<long[]> rounds) {
        rounds.sort((a, b) -> Long.compare(a[0], b[0]));
        StringBuilder line = new StringBuilder(name).append('\t').append(protocol).append('\t').append(event);
        for (long figure : rounds.get(rounds.size() / 2)) line.append('\t').append(figure);
        System.out.println(line);
    }

    private void run(int count, int rounds, List<long[]> joins, List<long[]> leaves) throws Exception {
        Thread producing = new Thread(this::produce);
        producing.start();
        for (int i = 0; i < count; i++) join();
        await("the group settles at first", this::shared);
        for (int round = 0; round < rounds; round++) {
            joins.add(measured(this::join));
            leaves.add(measured(this::leave));
        }
        while (!members.isEmpty()) leave();
        over = true;
        producing.join();
    }

    /** The figures of one event. */
    private long[] measured(Event event) throws InterruptedException {
        Thread.sleep(2000);
        for (int p = 0; p < pauses.length(); p++) pauses.set(p, 0);
        pauseOfAll.set(0);
        long began = System.nanoTime();
        event.happen();
        await("the group settles", this::shared);
        long settled = System.nanoTime();
        // Each partition moves on: what it stood still until now is counted with its next record.
        await("every partition moves on", () -> {
            for (int p = 0; p < last.length(); p++) if (last.get(p) < settled) return false;
            return true;
        });
        long[] of = new long[pauses.length()];
        for (int p = 0; p < of.length; p++) of[p] = pauses.get(p) / 1_000_000;
        return new long[] {pauseOfAll.get() / 1_000_000, Arrays.stream(of).sum() / of.length, Arrays.stream(of).max().getAsLong(),
            Arrays.stream(of).filter(pause -> pause > PAUSED_MS).count(), (settled - began) / 1_000_000};
    }

    private interface Event {
        void happen() throws InterruptedException;
    }

    /** Whether every member has its share and no partition is without a member. */
    private boolean shared() {
        int all = 0;
        for (Member member : members) {
            if (member.owned < last.length() / members.size()) return false;
            all += member.owned;
        }
        return all == last.length();
    }

    private static void await(String what, BooleanSupplier holds) throws InterruptedException {
        long until = System.nanoTime() + 90_000_000_000L;
        while (!holds.getAsBoolean()) {
            if (System.nanoTime() > until) throw new IllegalStateException("not within 90 s: " + what);
            Thread.sleep(5);
        }
    }

    private void join() {
        members.add(new Member());
        members.get(members.size() - 1).start();
    }

    private void leave() throws InterruptedException {
        Member member = members.remove(members.size() - 1);
        member.leaving = true;
        member.join();
    }

    private void got(int partition) {
        long now = System.nanoTime();
        long before = last.getAndSet(partition, now);
        if (before != 0) pauses.accumulateAndGet(partition, now - before, Math::max);
        before = lastOfAll.getAndSet(now);
        if (before != 0) pauseOfAll.accumulateAndGet(now - before, Math::max);
    }

    private void produce() {
        Map<String, Object> properties = Map.of("bootstrap.servers", broker, "key.serializer", ByteArraySerializer.class,
            "value.serializer", ByteArraySerializer.class, "linger.ms", 0, "acks", "1", "enable.idempotence", false);
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties)) {
            while (!over) {
                for (int p = 0; p < last.length(); p++) producer.send(new ProducerRecord<>(topic, p, null, new byte[8]));
                Thread.sleep(PERIOD_MS);
            }
        } catch (InterruptedException never) {
            throw new IllegalStateException(never);
        }
    }

    private final class Member extends Thread {
        volatile boolean leaving;
        volatile int owned;

        @Override
        public void run() {
            Map<String, Object> properties = new HashMap<>(protocol);
            properties.putAll(Map.of("bootstrap.servers", broker, "group.id", topic, "auto.offset.reset", "latest", "key.deserializer", ByteArrayDeserializer.class,
                "value.deserializer", ByteArrayDeserializer.class));
            try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties)) {
                consumer.subscribe(Set.of(topic));
                while (!leaving) {
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(50))) got(record.partition());
                    owned = consumer.assignment().size();
                }
            }
        }
    }
}
