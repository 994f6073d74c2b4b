"""confluent-kafka (librdkafka) against the broker in $BROKER: python3 test_confluent.py

The newest version, 2.0.2, and 0.11.4, the oldest whose package holds its librdkafka: it has neither zstd nor idempotence
nor an admin client. Partitions are assigned by hand; no group is joined and no offset committed.
"""

import os
import time
import unittest

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from harness import BROKER, CODECS, LARGEST, Placed, Record, Records, new_topic, now, topic_name, wait_for

VERSION = tuple(int(part) for part in confluent_kafka.__version__.split(".")[:2])
OLD = VERSION < (1, 0)
NEW = VERSION >= (2, 3)
# librdkafka before 1.8 asks by ListOffsets 0 where a log begins and ends. Kafka 4 has no such version; Millstream has.
FINDS_ENDS = VERSION >= (1, 8) or os.environ.get("KIND") != "kafka"
if not OLD:
    from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic
CLIENT = {"bootstrap.servers": BROKER}
if OLD:
    # It waits a second on its sockets, whatever there is to send.
    CLIENT["socket.blocking.max.ms"] = 10


def configured(settings):
    """0.11.4 drops settings of topics, unless they stand apart."""
    of_topics = {name: settings[name] for name in ("acks", "auto.offset.reset") if name in settings}
    if OLD:
        settings = {name: value for name, value in settings.items() if name not in of_topics}
        settings["default.topic.config"] = of_topics
    return dict(CLIENT, **settings)


class Confluent(Records, unittest.TestCase):
    codecs = CODECS[:4] if OLD else CODECS
    acks = {"all": {"acks": -1}, "leader": {"acks": 1}, "none": {"acks": 0}}
    empty_records = True
    too_large = KafkaException
    if not OLD:
        acks["idempotent"] = {"enable.idempotence": True}

    def send(self, topic, records, partition=0, codec="none", **acks):
        settings = {"message.max.bytes": LARGEST, "compression.codec": codec, "linger.ms": 1}
        producer, offsets, errors = Producer(configured(dict(settings, **acks))), [], []

        def delivered(error, message):
            errors.append(error) if error else offsets.append(message.offset())

        for record in records:
            given = {"key": record.key, "value": record.value, "headers": record.headers, "timestamp": record.timestamp}
            producer.produce(
                topic, partition=partition, on_delivery=delivered, **{name: it for name, it in given.items() if it is not None}
            )
            producer.poll(0)
        if producer.flush(60):
            raise TimeoutError("messages are still in the queue after 60 s")
        if errors:
            raise KafkaException(errors[0])
        return offsets

    def consumer(self, **settings):
        common = {
            "group.id": "none is joined", "enable.auto.commit": False, "fetch.message.max.bytes": LARGEST,
            "enable.partition.eof": True, "check.crcs": True,
        }
        return Consumer(configured(dict(common, **settings)))

    def consume(self, topic, count, partition=0, offset=0):
        consumer, records, until = self.consumer(), [], time.time() + 60
        try:
            consumer.assign([TopicPartition(topic, partition, offset)])
            while len(records) < count and time.time() < until:
                for m in consumer.consume(count - len(records), 0.5):
                    if m.error() is None:
                        records.append(Placed(m.offset(), m.timestamp()[1], m.key(), m.value(), m.headers() or []))
                    elif m.error().code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(m.error())
            return records
        finally:
            consumer.close()

    def ends(self, topic, partition=0):
        consumer = self.consumer()
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        finally:
            consumer.close()

    def offset_at(self, topic, timestamp, partition=0):
        consumer = self.consumer()
        try:
            return consumer.offsets_for_times([TopicPartition(topic, partition, timestamp)], timeout=10)[0].offset
        finally:
            consumer.close()

    @unittest.skipUnless(FINDS_ENDS, "Apache Kafka 4 does not tell it where a log begins or ends")
    def test_offsets_by_time_and_at_the_ends(self):
        super().test_offsets_by_time_and_at_the_ends()

    @unittest.skipUnless(FINDS_ENDS, "Apache Kafka 4 does not tell it where a log begins or ends")
    def test_the_end_of_a_partition_is_told_and_an_offset_beyond_it_resets(self):
        topic = new_topic()
        self.send(topic, [Record(None, str(n).encode(), [], now()) for n in range(10)])
        consumer = self.consumer(**{"auto.offset.reset": "earliest"})
        try:
            consumer.assign([TopicPartition(topic, 0, 5000)])
            seen, until = [], time.time() + 30
            while len(seen) < 11 and time.time() < until:
                for m in consumer.consume(1, 0.5):
                    if m.error() is None:
                        seen.append(m.value())
                    elif m.error().code() == KafkaError._PARTITION_EOF:
                        seen.append("end")
                    else:
                        raise KafkaException(m.error())
            self.assertEqual(seen, [str(n).encode() for n in range(10)] + ["end"])
        finally:
            consumer.close()


@unittest.skipIf(OLD, "0.11.4 has no admin client")
class Admin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.admin = AdminClient({"bootstrap.servers": BROKER})

    def partitions(self, name):
        topic = self.admin.list_topics(name, timeout=10).topics[name]
        return [p for p in topic.partitions.values() if p.error is None and p.leader >= 0]

    def configs(self, kind, name):
        resource = ConfigResource(kind, name)
        return self.admin.describe_configs([resource])[resource].result(10)

    def test_topics_are_created_extended_and_deleted(self):
        topic, config = topic_name(), {"retention.ms": "7654321", "segment.bytes": "1048576"}
        self.admin.create_topics([NewTopic(topic, 3, 1, config=config)])[topic].result(30)
        wait_for(lambda: len(self.partitions(topic)) == 3)
        found = self.configs("topic", topic)
        self.assertEqual((found["retention.ms"].value, found["segment.bytes"].value), ("7654321", "1048576"))
        self.assertTrue(found["cleanup.policy"].is_default)
        with self.assertRaises(KafkaException) as twice:
            self.admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)
        self.assertEqual(twice.exception.args[0].code(), KafkaError.TOPIC_ALREADY_EXISTS)
        with self.assertRaises(KafkaException) as bad:
            self.admin.create_topics([NewTopic("a b", 1, 1)])["a b"].result(10)
        self.assertEqual(bad.exception.args[0].code(), KafkaError.TOPIC_EXCEPTION)
        self.admin.create_partitions([NewPartitions(topic, 5)])[topic].result(10)
        wait_for(lambda: len(self.partitions(topic)) == 5)
        self.admin.delete_topics([topic])[topic].result(10)
        wait_for(lambda: topic not in self.admin.list_topics(timeout=10).topics)

    def test_settings_are_altered(self):
        topic = new_topic(retention_ms=7654321, segment_bytes=1 << 20)
        # AlterConfigs takes back what it does not name.
        wanted = ConfigResource("topic", topic, set_config={"retention.ms": "1234567"})
        self.admin.alter_configs([wanted])[wanted].result(10)
        wait_for(lambda: self.configs("topic", topic)["retention.ms"].value == "1234567")
        self.assertEqual(self.configs("topic", topic)["segment.bytes"].value, str(1 << 30))

    def test_the_broker_is_described(self):
        (broker,) = self.admin.list_topics(timeout=10).brokers
        self.assertIn("log.dirs", self.configs("broker", str(broker)))

    @unittest.skipUnless(NEW, "not in this version")
    def test_the_cluster_is_described_offsets_are_listed_and_records_deleted(self):
        from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, OffsetSpec, ResourceType

        self.assertEqual(len(self.admin.describe_cluster().result(10).nodes), 1)
        topic, start = new_topic(), now() - 100000
        place = TopicPartition(topic, 0)
        Confluent().send(topic, [Record(None, b"x", [], start + n) for n in range(100)])
        deleted = self.admin.delete_records([TopicPartition(topic, 0, 40)])[place].result(10)
        self.assertEqual(deleted.low_watermark, 40)
        wanted = [(OffsetSpec.earliest(), 40), (OffsetSpec.latest(), 100), (OffsetSpec.max_timestamp(), 99)]
        for spec, offset in wanted + [(OffsetSpec.for_timestamp(start + 50), 50)]:
            self.assertEqual(self.admin.list_offsets({place: spec})[place].result(10).offset, offset)
        entry = ConfigEntry("retention.ms", "777", incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        self.admin.incremental_alter_configs([resource])[resource].result(10)
        wait_for(lambda: self.configs("topic", topic)["retention.ms"].value == "777")


if __name__ == "__main__":
    unittest.main()
