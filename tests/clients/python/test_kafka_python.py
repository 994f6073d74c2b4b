"""kafka-python against the broker in $BROKER: python3 test_kafka_python.py

Version 3, the 2.0 that most still run, and 1.4.0, the first whose records Kafka 4 takes: it has neither headers nor an
admin client. Partitions are assigned by hand; no group is joined.
"""

import time
import unittest

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import MessageSizeTooLargeError, UnknownError

from harness import BROKER, CODECS, LARGEST, SIZES, Placed, Record, Records, batches, new_topic, now, topic_name, value, wait_for

VERSION = tuple(int(part) for part in kafka.__version__.split(".")[:2])
OLD, NEW = VERSION < (2, 0), VERSION >= (3, 0)
if not OLD:
    from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic
    from kafka.errors import InvalidTopicError, TopicAlreadyExistsError


class KafkaPython(Records, unittest.TestCase):
    # 1.4.0's lz4 links blocks of 64 KiB, which Kafka takes from nobody. No version goes on with a request that the socket
    # did not take whole before an answer comes in: 5 MiB stall, and without acknowledgement are lost at the end.
    sizes = SIZES[:5] if OLD else SIZES[:-1]
    sizes_unacknowledged = SIZES[:5] if OLD else SIZES[:-2]
    codecs = CODECS[:4] if OLD else CODECS
    acks = {"all": {"acks": "all"}, "leader": {"acks": 1}, "none": {"acks": 0}}
    headers = [] if OLD else [("size", b"12345"), ("empty", b"")]
    too_large = MessageSizeTooLargeError
    if NEW:
        # It is idempotent unless told otherwise.
        acks = {name: dict(settings, enable_idempotence=False) for name, settings in acks.items()}
        acks["idempotent"] = {"enable_idempotence": True}

    # Clients by their settings: the old ones take a second to make one.
    clients = {}

    @classmethod
    def tearDownClass(cls):
        for client in cls.clients.values():
            client.close()
        super().tearDownClass()

    def client(self, kind, **settings):
        key = (kind, *sorted(settings.items()))
        if key not in self.clients:
            self.clients[key] = kind(bootstrap_servers=BROKER, **settings)
        return self.clients[key]

    def send(self, topic, records, partition=0, codec="none", **acks):
        settings = {"compression_type": None if codec == "none" else codec, "max_request_size": LARGEST, "linger_ms": 5}
        settings.update(acks or {"acks": "all"})
        if not NEW:
            return self.send_by(self.client(KafkaProducer, **settings), topic, records, partition)
        producer = KafkaProducer(bootstrap_servers=BROKER, **settings)
        try:
            return self.send_by(producer, topic, records, partition)
        finally:
            producer.close()

    def send_by(self, producer, topic, records, partition):
        waiting = [
            producer.send(
                topic, value=r.value, key=r.key, partition=partition, timestamp_ms=r.timestamp,
                **({} if OLD else {"headers": r.headers})
            )
            for r in records
        ]
        producer.flush(60)
        return [future.get(60).offset for future in waiting]

    def consumer(self):
        return self.client(
            KafkaConsumer, group_id=None, enable_auto_commit=False, auto_offset_reset="none",
            max_partition_fetch_bytes=LARGEST, check_crcs=True,
        )

    def consume(self, topic, count, partition=0, offset=0):
        consumer, place, records, until = self.consumer(), TopicPartition(topic, partition), [], time.time() + 60
        consumer.assign([place])
        consumer.seek(place, offset)
        while len(records) < count and time.time() < until:
            for m in consumer.poll(500).get(place, []):
                records.append(Placed(m.offset, m.timestamp, m.key, m.value, [] if OLD else m.headers))
        return records

    def ends(self, topic, partition=0):
        place = TopicPartition(topic, partition)
        return self.consumer().beginning_offsets([place])[place], self.consumer().end_offsets([place])[place]

    def offset_at(self, topic, timestamp, partition=0):
        place = TopicPartition(topic, partition)
        return self.consumer().offsets_for_times({place: timestamp})[place].offset

    @unittest.skipUnless(OLD, "later versions do not write them")
    def test_lz4_blocks_that_depend_on_each_other_are_refused(self):
        topic = new_topic()
        with self.assertRaises(UnknownError):
            self.send(topic, [Record(None, value(1, 1 << 17), [], now())], codec="lz4")
        self.assertEqual(self.send(topic, [Record(None, value(1, 1 << 15), [], now())], codec="lz4"), [0])

    def test_a_subscription_without_a_group_reads_each_partition(self):
        topic = new_topic(3)
        for partition in range(3):
            self.send(topic, [Record(None, b"%d" % partition, [], now())] * 10, partition)
        consumer = KafkaConsumer(topic, bootstrap_servers=BROKER, group_id=None, auto_offset_reset="earliest")
        try:
            got, until = [], time.time() + 30
            while len(got) < 30 and time.time() < until:
                for place, messages in consumer.poll(500).items():
                    got += [(place.partition, m.offset, m.value) for m in messages]
            self.assertEqual(sorted(got), [(p, n, b"%d" % p) for p in range(3) for n in range(10)])
        finally:
            consumer.close()


@unittest.skipIf(OLD, "kafka-python 1.4.0 has no admin client")
class Admin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.admin = KafkaAdminClient(bootstrap_servers=BROKER)

    @classmethod
    def tearDownClass(cls):
        cls.admin.close()

    def created(self, partitions=1, **config):
        name = topic_name()
        self.admin.create_topics([NewTopic(name, partitions, 1, topic_configs={k.replace("_", "."): v for k, v in config.items()})])
        wait_for(lambda: len(self.described(name)["partitions"]) == partitions)
        return name

    def described(self, name):
        return self.admin.describe_topics([name])[0]

    def configs(self, name):
        """Name to value of a topic's settings."""
        resource = ConfigResource(ConfigResourceType.TOPIC, name)
        if NEW:
            answer = self.admin.describe_configs([resource], config_filter="all")
            return {key: entry["value"] for key, entry in answer["topic"][name].items()}
        return {entry[0]: entry[1] for entry in self.admin.describe_configs([resource])[0].resources[0][4]}

    def test_topics_are_created_extended_and_deleted(self):
        topic = self.created(3, retention_ms="7654321")
        self.assertIn(topic, self.admin.list_topics())
        self.assertEqual([p["leader" if not NEW else "leader_id"] for p in self.described(topic)["partitions"]], [1, 1, 1])
        with self.assertRaises(TopicAlreadyExistsError):
            self.admin.create_topics([NewTopic(topic, 1, 1)])
        with self.assertRaises(InvalidTopicError):
            self.admin.create_topics([NewTopic("a b", 1, 1)])
        self.admin.create_partitions({topic: NewPartitions(5)})
        wait_for(lambda: len(self.described(topic)["partitions"]) == 5)
        self.admin.delete_topics([topic])
        wait_for(lambda: topic not in self.admin.list_topics())

    def test_validation_alone_creates_nothing(self):
        name = topic_name()
        self.admin.create_topics([NewTopic(name, 1, 1)], validate_only=True)
        self.assertNotIn(name, self.admin.list_topics())

    def test_settings_are_described_and_altered(self):
        topic = self.created(retention_ms="7654321", segment_bytes="1048576")
        found = self.configs(topic)
        self.assertEqual((found["retention.ms"], found["segment.bytes"], found["cleanup.policy"]), ("7654321", "1048576", "delete"))
        # Version 2.0 sends AlterConfigs, which takes back what it does not name; version 3 IncrementalAlterConfigs.
        self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.ms": "1234567"})])
        wait_for(lambda: self.configs(topic)["retention.ms"] == "1234567")
        self.assertEqual(self.configs(topic)["segment.bytes"], "1048576" if NEW else "1073741824")

    def test_the_cluster_is_described(self):
        cluster = self.admin.describe_cluster()
        self.assertEqual(len(cluster["brokers"]), 1)
        self.assertEqual(cluster["controller_id"], 1)
        self.assertTrue(cluster["cluster_id"])

    @unittest.skipUnless(NEW, "not in this version")
    def test_records_are_deleted_and_offsets_listed(self):
        from kafka.admin import OffsetSpec

        topic, start = self.created(), now() - 100000
        place = TopicPartition(topic, 0)
        KafkaPython().send(topic, [Record(None, b"x", [], start + n) for n in range(100)])
        self.assertEqual(self.admin.delete_records({place: 40})[place]["low_watermark"], 40)
        wanted = {OffsetSpec.EARLIEST: 40, OffsetSpec.LATEST: 100, OffsetSpec.MAX_TIMESTAMP: 99, start + 50: 50}
        for spec, offset in wanted.items():
            self.assertEqual((spec, self.admin.list_partition_offsets({place: spec})[place].offset), (spec, offset))
        self.assertEqual(KafkaPython().consume(topic, 60, offset=40)[0].offset, 40)

    @unittest.skipUnless(NEW, "not in this version")
    def test_log_directories_are_described(self):
        topic = self.created(2)
        KafkaPython().send(topic, [Record(None, bytes(1000), [], now())], partition=1)
        sizes = {}
        for broker in self.admin.describe_log_dirs():
            for directory in broker["log_dirs"]:
                for found in directory["topics"]:
                    if found["name"] == topic:
                        sizes = {p["partition_index"]: p["partition_size"] for p in found["partitions"]}
        self.assertEqual(sizes[0], 0)
        self.assertGreater(sizes[1], 1000)
        self.assertEqual(len(batches(topic, 1)), 1)


if __name__ == "__main__":
    unittest.main()
