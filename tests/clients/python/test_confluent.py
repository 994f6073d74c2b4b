"""confluent-kafka (librdkafka) against the broker in $BROKER: python3 test_confluent.py

Partitions are assigned by hand; no group is joined and no offset committed.
"""

import itertools
import os
import random
import time
import unittest

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

BROKER = os.environ["BROKER"]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
SIZES = [1, 63, 64, 1000, 8191, 65535, 65536, 65537, 1 << 20, 5 << 20]
LARGE = {"message.max.bytes": 8 << 20}
ADMIN = AdminClient({"bootstrap.servers": BROKER})
numbers = itertools.count()


def new_topic(partitions=1, **config):
    name = f"python-{time.time_ns()}-{next(numbers)}"
    config = {key.replace("_", "."): str(value) for key, value in config.items()}
    ADMIN.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(30)
    wait_for(lambda: len(led(name)) == partitions)
    return name


def led(name):
    topic = ADMIN.list_topics(name, timeout=10).topics[name]
    return [p for p in topic.partitions.values() if p.error is None and p.leader >= 0]


def wait_for(condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError("it did not become true within 10 s")


def value(seed, size):
    """A payload that compresses about by half."""
    source = random.Random(seed)
    block = source.randbytes(4096)
    return (b"".join(block[i : i + 32] + bytes(32) for i in range(0, 4096, 32)) * (size // 8192 + 1))[:size]


def producer(**settings):
    return Producer({"bootstrap.servers": BROKER, **LARGE, **{k.replace("_", "."): v for k, v in settings.items()}})


def send(client, topic, records, partition=0):
    """Produces and answers where each record was acknowledged."""
    places, errors = [], []

    def delivered(error, message):
        errors.append(error) if error else places.append((message.partition(), message.offset()))

    for record in records:
        client.produce(topic, partition=partition, on_delivery=delivered, **record)
        client.poll(0)
    if client.flush(60):
        raise TimeoutError("messages are still in the queue after 60 s")
    if errors:
        raise KafkaException(errors[0])
    return places


def consume(topic, count, partition=0, offset=0):
    consumer = Consumer(
        {
            "bootstrap.servers": BROKER, "group.id": "none is joined", "enable.auto.commit": False,
            "fetch.message.max.bytes": 8 << 20, "enable.partition.eof": True, "check.crcs": True,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, partition, offset)])
        messages, until = [], time.monotonic() + 60
        while len(messages) < count and time.monotonic() < until:
            for message in consumer.consume(500, 0.5):
                if message.error() is None:
                    messages.append(message)
                elif message.error().code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(message.error())
        offsets = [m.offset() for m in messages]
        assert offsets == list(range(offset, offset + count)), f"offsets {offsets[:5]} .. {offsets[-5:]} from {offset}"
        return messages
    finally:
        consumer.close()


class Confluent(unittest.TestCase):
    def test_every_codec_and_acknowledgement_carries_every_size(self):
        modes = {
            "idempotent": {"enable.idempotence": True},
            "all": {"acks": "all"}, "leader": {"acks": 1}, "none": {"acks": 0},
        }
        for codec, mode in itertools.product(CODECS, modes):
            with self.subTest(codec=codec, acks=mode):
                topic = new_topic(max_message_bytes=8 << 20)
                records = []
                for i, size in enumerate(SIZES):
                    headers = [("size", str(size).encode()), ("null", None), ("empty", b"")]
                    records += [
                        {"key": str(i), "value": value(i, size), "headers": headers, "timestamp": 1000 * int(time.time()) + i},
                        {"value": b"no key"}, {"key": b"no value"}, {}, {"key": b"", "value": b""},
                    ]
                send(producer(compression_type=codec, **modes[mode]), topic, records)
                for sent, got in zip(records, consume(topic, len(records)), strict=True):
                    key = sent.get("key")
                    self.assertEqual(key.encode() if isinstance(key, str) else key, got.key())
                    self.assertTrue(sent.get("value") == got.value(), f"the value at {got.offset()} differs")
                    self.assertEqual(sent.get("headers"), got.headers())
                    if "timestamp" in sent:
                        self.assertEqual(sent["timestamp"], got.timestamp()[1])

    def test_acknowledged_offsets_are_where_the_records_lie(self):
        topic = new_topic(4)
        client = producer(enable_idempotence=True, linger_ms=1, compression_type="lz4")
        for partition in range(4):
            places = send(client, topic, [{"value": f"{partition}/{n}"} for n in range(5000)], partition)
            self.assertEqual(places, [(partition, n) for n in range(5000)])
        for partition in range(4):
            got = consume(topic, 5000, partition)
            self.assertEqual([m.value().decode() for m in got], [f"{partition}/{n}" for n in range(5000)])

    def test_consumption_starts_at_any_offset(self):
        topic = new_topic()
        send(producer(linger_ms=50), topic, [{"value": str(n)} for n in range(1000)])
        for offset in (0, 1, 499, 998, 999):
            self.assertEqual(consume(topic, 1000 - offset, offset=offset)[0].value(), str(offset).encode())

    def test_a_log_append_time_topic_stamps_its_records(self):
        topic = new_topic(message_timestamp_type="LogAppendTime")
        before = 1000 * int(time.time())
        send(producer(), topic, [{"value": b"x", "timestamp": 5}])
        kind, at = consume(topic, 1)[0].timestamp()
        self.assertEqual(kind, 2)
        self.assertGreaterEqual(at, before)

    def test_offsets_by_time_and_at_the_ends(self):
        topic = new_topic(2)
        start = 1000 * int(time.time()) - 100_000
        send(producer(), topic, [{"value": b"x", "timestamp": start + 1000 * n} for n in range(100)])
        consumer = Consumer({"bootstrap.servers": BROKER, "group.id": "none is joined"})
        try:
            self.assertEqual(consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10), (0, 100))
            self.assertEqual(consumer.get_watermark_offsets(TopicPartition(topic, 1), timeout=10), (0, 0))
            found = consumer.offsets_for_times([TopicPartition(topic, 0, start + 41_500)], timeout=10)
            self.assertEqual(found[0].offset, 42)
        finally:
            consumer.close()
        specs = {"earliest": 0, "latest": 100, "max_timestamp": 99}
        for spec, offset in specs.items():
            partition = TopicPartition(topic, 0)
            got = ADMIN.list_offsets({partition: getattr(OffsetSpec, spec)()})[partition].result(10)
            self.assertEqual((spec, got.offset), (spec, offset))

    def test_admin_creates_describes_and_deletes(self):
        topic = new_topic(3, retention_ms=7654321, segment_bytes=1 << 20)
        self.assertEqual(len(ADMIN.list_topics(timeout=10).topics[topic].partitions), 3)
        resource = ConfigResource(ResourceType.TOPIC, topic)
        config = ADMIN.describe_configs([resource])[resource].result(10)
        self.assertEqual(config["retention.ms"].value, "7654321")
        self.assertEqual(config["segment.bytes"].value, str(1 << 20))
        self.assertTrue(config["cleanup.policy"].is_default)
        with self.assertRaises(KafkaException) as twice:
            ADMIN.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)
        self.assertEqual(twice.exception.args[0].code(), KafkaError.TOPIC_ALREADY_EXISTS)
        with self.assertRaises(KafkaException) as bad:
            ADMIN.create_topics([NewTopic("a b", 1, 1)])["a b"].result(10)
        self.assertEqual(bad.exception.args[0].code(), KafkaError.TOPIC_EXCEPTION)
        ADMIN.delete_topics([topic])[topic].result(10)
        wait_for(lambda: topic not in ADMIN.list_topics(timeout=10).topics)

    def test_admin_describes_broker_and_cluster(self):
        cluster = ADMIN.describe_cluster().result(10)
        self.assertEqual(len(cluster.nodes), 1)
        broker = ConfigResource(ResourceType.BROKER, str(cluster.nodes[0].id))
        self.assertIn("log.dirs", ADMIN.describe_configs([broker])[broker].result(10))

    def test_a_record_beyond_the_topics_limit_is_refused(self):
        topic = new_topic()
        with self.assertRaises(KafkaException) as refused:
            send(producer(), topic, [{"value": bytes(2 << 20)}])
        self.assertEqual(refused.exception.args[0].code(), KafkaError.MSG_SIZE_TOO_LARGE)


if __name__ == "__main__":
    unittest.main()
