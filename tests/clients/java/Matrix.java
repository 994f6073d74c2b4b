import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The Java producer and consumer over every codec, acknowledgement and size, with headers and nulls.
 * {@code java Matrix HOST:PORT}: exits with an exception at the first difference.
 */
public final class Matrix {
    private static final int[] SIZES = {1, 63, 64, 1000, 8191, 65535, 65536, 65537, 1 << 20, 5 << 20};
    private static final int LARGEST = 8 << 20;

    public static void main(String[] arguments) throws Exception {
        String broker = arguments[0];
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker))) {
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                for (String acks : List.of("idempotent", "all", "1", "0")) {
                    String topic = "java-" + codec + "-" + acks + "-" + System.nanoTime();
                    create(admin, topic);
                    List<ProducerRecord<byte[], byte[]>> sent = records(topic);
                    produce(broker, codec, acks, sent);
                    consumeAndCompare(broker, topic, sent);
                    checkOffsets(admin, topic, sent.size());
                    admin.deleteTopics(Set.of(topic)).all().get();
                    System.out.println(codec + ", acks " + acks + ": " + sent.size() + " records are back as they were");
                }
            }
        }
    }

    private static void create(Admin admin, String topic) throws Exception {
        NewTopic wanted = new NewTopic(topic, 2, (short) 1).configs(Map.of("max.message.bytes", String.valueOf(LARGEST)));
        admin.createTopics(Set.of(wanted)).all().get();
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

    private static void consumeAndCompare(String broker, String topic, List<ProducerRecord<byte[], byte[]>> sent) {
        Map<String, Object> settings = Map.of("bootstrap.servers", broker, "enable.auto.commit", false, "auto.offset.reset", "none");
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            TopicPartition partition = new TopicPartition(topic, 1);
            consumer.assign(Set.of(partition));
            consumer.seek(partition, 0);
            long until = System.currentTimeMillis() + 60_000;
            int next = 0;
            while (next < sent.size()) {
                check(System.currentTimeMillis() < until, "only " + next + " of " + sent.size() + " records within a minute");
                for (ConsumerRecord<byte[], byte[]> got : consumer.poll(Duration.ofMillis(500))) {
                    compare(sent.get(next), got, next);
                    next++;
                }
            }
            check(consumer.position(partition) == sent.size(), "the position is " + consumer.position(partition));
        }
    }

    private static void compare(ProducerRecord<byte[], byte[]> sent, ConsumerRecord<byte[], byte[]> got, int offset) {
        check(got.offset() == offset, "offset " + got.offset() + " where " + offset + " should come");
        check(Arrays.equals(sent.key(), got.key()), "the key at " + offset + " differs");
        check(Arrays.equals(sent.value(), got.value()), "the value at " + offset + " differs");
        check(sent.headers().equals(got.headers()), "the headers at " + offset + " are " + got.headers());
        check(sent.timestamp() == got.timestamp(), "the timestamp at " + offset + " is " + got.timestamp());
    }

    private static void checkOffsets(Admin admin, String topic, long count) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 1);
        Map<String, OffsetSpec> specs = Map.of("earliest", OffsetSpec.earliest(), "latest", OffsetSpec.latest());
        Map<String, Long> offsets = new HashMap<>();
        for (var spec : specs.entrySet()) {
            offsets.put(spec.getKey(), admin.listOffsets(Map.of(partition, spec.getValue())).partitionResult(partition).get().offset());
        }
        check(offsets.equals(Map.of("earliest", 0L, "latest", count)), "the offsets are " + offsets);
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }
}
