import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The Java producer and consumer over every codec, acknowledgement and size, with headers, nulls and times.
 * {@code java Matrix HOST:PORT BROKER_DIR}: exits with an exception at the first difference. It runs with the clients of
 * every version from 0.11.0.0 on, the first whose records Kafka 4 takes.
 */
public final class Matrix {
    private static final int[] SIZES = {1, 63, 64, 1000, 8191, 65535, 65536, 65537, 1 << 20, 5 << 20};
    private static final int LARGEST = 8 << 20;

    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");

    private static final String VERSION = version();

    public static void main(String[] arguments) throws Exception {
        String broker = arguments[0];
        System.out.println("kafka-clients " + VERSION);
        try (AdminClient admin = AdminClient.create(Map.<String, Object>of("bootstrap.servers", broker))) {
            for (String codec : since(2, 1) ? CODECS : CODECS.subList(0, 4)) {
                for (String acks : List.of("idempotent", "all", "1", "0")) {
                    String topic = "java-" + codec + "-" + acks + "-" + System.nanoTime();
                    create(broker, admin, topic);
                    List<ProducerRecord<byte[], byte[]>> sent = records(topic);
                    produce(broker, codec, acks, sent);
                    consumeAndCompare(broker, topic, sent);
                    checkStored(Path.of(arguments[1], "data", topic + "-1", "00000000000000000000.log"), codec, acks.equals("idempotent"));
                    if (since(2, 5)) {
                        ListedOffsets.check(admin, topic, sent);
                    }
                    admin.deleteTopics(Set.of(topic)).all().get();
                    System.out.println(codec + ", acks " + acks + ": " + sent.size() + " records are back as they were");
                }
            }
        }
    }

    private static String version() {
        try (InputStream resource = KafkaProducer.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            Properties properties = new Properties();
            properties.load(resource);
            return properties.getProperty("version");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean since(int major, int minor) {
        String[] version = VERSION.split("[.]");
        int ours = Integer.parseInt(version[0]);
        return ours > major || ours == major && Integer.parseInt(version[1]) >= minor;
    }

    private static void create(String broker, AdminClient admin, String topic) throws Exception {
        NewTopic wanted = new NewTopic(topic, 2, (short) 1).configs(Map.of("max.message.bytes", String.valueOf(LARGEST)));
        admin.createTopics(Set.of(wanted)).all().get();
        // Apache Kafka names a leader in its metadata a little before that broker knows of it; who is asked for an offset does.
        try (var consumer = consumer(broker)) {
            consumer.endOffsets(Set.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1)));
        }
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String broker) {
        Map<String, Object> settings = Map.of("bootstrap.servers", broker, "enable.auto.commit", false, "auto.offset.reset", "none");
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static List<ProducerRecord<byte[], byte[]>> records(String topic) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        Random random = new Random(7);
        long now = System.currentTimeMillis();
        for (int size : SIZES) {
            byte[] value = new byte[size];
            random.nextBytes(value);
            Arrays.fill(value, size / 2, size, (byte) 'x');
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, 1, now + records.size(), String.valueOf(size).getBytes(), value);
            record.headers().add("size", String.valueOf(size).getBytes()).add("null", null).add("empty", new byte[0]);
            records.add(record);
            records.add(new ProducerRecord<>(topic, 1, now, null, "no key".getBytes()));
            records.add(new ProducerRecord<>(topic, 1, now, "no value".getBytes(), (byte[]) null));
            records.add(new ProducerRecord<>(topic, 1, now, null, (byte[]) null));
        }
        return records;
    }

    private static void produce(String broker, String codec, String acks, List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("compression.type", codec);
        settings.put("enable.idempotence", String.valueOf(acks.equals("idempotent")));
        settings.put("acks", acks.equals("idempotent") ? "all" : acks);
        settings.put("max.request.size", LARGEST);
        settings.put("linger.ms", 5);
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> acknowledged = new ArrayList<>();
            for (var record : records) {
                acknowledged.add(producer.send(record));
            }
            producer.flush();
            for (int i = 0; i < records.size(); i++) {
                RecordMetadata place = acknowledged.get(i).get();
                check(place.partition() == 1, "a record went to partition " + place.partition());
                check(acks.equals("0") || place.offset() == i, "record " + i + " was acknowledged at offset " + place.offset());
            }
        }
    }

    private static void consumeAndCompare(String broker, String topic, List<ProducerRecord<byte[], byte[]>> sent) throws Exception {
        try (var consumer = consumer(broker)) {
            TopicPartition partition = new TopicPartition(topic, 1);
            consumer.assign(Set.of(partition));
            consumer.seek(partition, 0);
            long until = System.currentTimeMillis() + 60_000;
            int next = 0;
            while (next < sent.size()) {
                check(System.currentTimeMillis() < until, "only " + next + " of " + sent.size() + " records within a minute");
                for (ConsumerRecord<byte[], byte[]> got : poll(consumer)) {
                    compare(sent.get(next), got, next);
                    next++;
                }
            }
            check(consumer.position(partition) == sent.size(), "the position is " + consumer.position(partition));
            long first = consumer.beginningOffsets(Set.of(partition)).get(partition);
            long end = consumer.endOffsets(Set.of(partition)).get(partition);
            check(first == 0 && end == sent.size(), "the offsets are " + first + " to " + end);
            long at = sent.get(sent.size() / 2).timestamp();
            long found = consumer.offsetsForTimes(Map.of(partition, at)).get(partition).offset();
            check(found == firstAt(sent, at), "offset " + found + " is found at time " + at);
        }
    }

    private static int firstAt(List<ProducerRecord<byte[], byte[]>> sent, long timestamp) {
        int offset = 0;
        while (sent.get(offset).timestamp() < timestamp) {
            offset++;
        }
        return offset;
    }

    /** Before 2.0 a poll takes milliseconds, since 4.0 only a Duration. */
    @SuppressWarnings("unchecked")
    private static ConsumerRecords<byte[], byte[]> poll(KafkaConsumer<byte[], byte[]> consumer) throws ReflectiveOperationException {
        return since(2, 0)
                ? consumer.poll(Duration.ofMillis(500))
                : (ConsumerRecords<byte[], byte[]>) KafkaConsumer.class.getMethod("poll", long.class).invoke(consumer, 500L);
    }

    /** The broker's file, whose format is Kafka's: was the codec used, by an idempotent producer or not? */
    private static void checkStored(Path file, String codec, boolean idempotent) throws IOException {
        ByteBuffer data = ByteBuffer.wrap(Files.readAllBytes(file));
        for (int at = 0; at + 61 <= data.limit() && data.get(at + 16) == 2; at += 12 + data.getInt(at + 8)) {
            String used = CODECS.get(data.getShort(at + 21) & 7);
            check(used.equals(codec), "a batch is stored in " + used);
            check(data.getLong(at + 43) >= 0 == idempotent, "producer id " + data.getLong(at + 43));
        }
    }

    private static void compare(ProducerRecord<byte[], byte[]> sent, ConsumerRecord<byte[], byte[]> got, int offset) {
        check(got.offset() == offset, "offset " + got.offset() + " where " + offset + " should come");
        check(Arrays.equals(sent.key(), got.key()), "the key at " + offset + " differs");
        check(Arrays.equals(sent.value(), got.value()), "the value at " + offset + " differs");
        check(sent.headers().equals(got.headers()), "the headers at " + offset + " are " + got.headers());
        check(sent.timestamp() == got.timestamp(), "the timestamp at " + offset + " is " + got.timestamp());
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }

    /** Apart, since old clients have no such classes. */
    private static final class ListedOffsets {
        static void check(AdminClient admin, String topic, List<ProducerRecord<byte[], byte[]>> sent) throws Exception {
            TopicPartition partition = new TopicPartition(topic, 1);
            long at = sent.get(sent.size() - 1).timestamp();
            Map<OffsetSpec, Long> wanted = Map.of(
                    OffsetSpec.earliest(), 0L, OffsetSpec.latest(), (long) sent.size(), OffsetSpec.forTimestamp(at), (long) firstAt(sent, at));
            for (var spec : wanted.entrySet()) {
                long offset = admin.listOffsets(Map.of(partition, spec.getKey())).partitionResult(partition).get().offset();
                Matrix.check(offset == spec.getValue(), offset + " is listed where " + spec.getValue() + " should be");
            }
        }
    }
}
