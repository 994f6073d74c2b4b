"""aiokafka against the broker in $BROKER: python3 test_aiokafka.py

The newest version, 0.8.0, and 0.5.0, the first whose fetches Kafka 4 answers: it has no headers. Partitions are assigned
by hand; no group is joined. The admin client is the newest version's.
"""

import asyncio
import sys
import time
import unittest

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from harness import BROKER, CODECS, LARGEST, SIZES, Placed, Record, Records, new_topic, now, topic_name, wait_for

try:
    from aiokafka.errors import MessageSizeTooLargeError
except ImportError:  # 0.5 has kafka-python's.
    from kafka.errors import MessageSizeTooLargeError

VERSION = tuple(int(part) for part in aiokafka.__version__.split(".")[:2])
LOOP = asyncio.new_event_loop()
asyncio.set_event_loop(LOOP)
# Clients before 0.7 take the loop that newer Pythons know.
IN_LOOP = {"loop": LOOP} if VERSION < (0, 7) else {}


def run(coroutine):
    return LOOP.run_until_complete(asyncio.wait_for(coroutine, 120))


class AioKafka(Records, unittest.TestCase):
    codecs = CODECS if VERSION >= (0, 8) else CODECS[:4]
    sizes = SIZES if VERSION >= (0, 8) else SIZES[:-1]
    acks = {
        "all": {"acks": "all"}, "leader": {"acks": 1}, "none": {"acks": 0},
        "idempotent": {"enable_idempotence": True},
    }
    headers = Records.headers if VERSION >= (0, 6) else []
    too_large = MessageSizeTooLargeError

    def send(self, topic, records, partition=0, codec="none", **acks):
        async def sent():
            producer = AIOKafkaProducer(
                bootstrap_servers=BROKER, compression_type=None if codec == "none" else codec, max_request_size=LARGEST,
                **IN_LOOP, **(acks or {"acks": "all"})
            )
            await producer.start()
            try:
                waiting = []
                for r in records:
                    given = {"headers": r.headers} if self.headers else {}
                    waiting.append(
                        await producer.send(
                            topic, value=r.value, key=r.key, partition=partition, timestamp_ms=r.timestamp, **given
                        )
                    )
                placed = await asyncio.gather(*waiting)
                return [place and place.offset for place in placed]
            finally:
                await producer.stop()

        return run(sent())

    async def with_consumer(self, use, *topics, **settings):
        consumer = AIOKafkaConsumer(
            *topics, bootstrap_servers=BROKER, group_id=None, enable_auto_commit=False,
            max_partition_fetch_bytes=LARGEST, **settings, **IN_LOOP
        )
        await consumer.start()
        try:
            return await use(consumer)
        finally:
            await consumer.stop()

    def consume(self, topic, count, partition=0, offset=0):
        async def consumed(consumer):
            place, records, until = TopicPartition(topic, partition), [], time.time() + 60
            consumer.assign([place])
            consumer.seek(place, offset)
            while len(records) < count and time.time() < until:
                for m in (await consumer.getmany(timeout_ms=500)).get(place, []):
                    records.append(Placed(m.offset, m.timestamp, m.key, m.value, m.headers if self.headers else []))
            return records

        return run(self.with_consumer(consumed, auto_offset_reset="none"))

    def ends(self, topic, partition=0):
        async def found(consumer):
            place = TopicPartition(topic, partition)
            return (await consumer.beginning_offsets([place]))[place], (await consumer.end_offsets([place]))[place]

        return run(self.with_consumer(found))

    def offset_at(self, topic, timestamp, partition=0):
        async def found(consumer):
            place = TopicPartition(topic, partition)
            return (await consumer.offsets_for_times({place: timestamp}))[place].offset

        return run(self.with_consumer(found))

    def test_a_subscription_without_a_group_waits_for_what_comes(self):
        topic = new_topic(3)

        async def followed(consumer):
            producer = AIOKafkaProducer(bootstrap_servers=BROKER, **IN_LOOP)
            await producer.start()
            try:
                got = []
                for n in range(9):
                    await producer.send_and_wait(topic, b"%d" % n, partition=n % 3)
                    message = await asyncio.wait_for(consumer.getone(), 20)
                    got.append((message.partition, message.offset, message.value))
                return got
            finally:
                await producer.stop()

        got = run(self.with_consumer(followed, topic, auto_offset_reset="earliest"))
        self.assertEqual(got, [(n % 3, n // 3, b"%d" % n) for n in range(9)])


@unittest.skipIf(VERSION < (0, 12), "the admin client of old versions is not tested")
class Admin(unittest.TestCase):
    def administer(self, use):
        from aiokafka.admin import AIOKafkaAdminClient

        async def administered():
            admin = AIOKafkaAdminClient(bootstrap_servers=BROKER)
            await admin.start()
            try:
                return await use(admin)
            finally:
                await admin.close()

        return run(administered())

    def partitions(self, name):
        (topic,) = self.administer(lambda admin: admin.describe_topics([name]))
        return len(topic["partitions"])

    def test_topics_are_created_extended_and_deleted(self):
        from aiokafka.admin import NewPartitions, NewTopic

        name = topic_name()
        answer = self.administer(lambda admin: admin.create_topics([NewTopic(name, 2, 1, topic_configs={"retention.ms": "7654321"})]))
        self.assertEqual([topic[:2] for topic in answer.topic_errors], [(name, 0)])
        wait_for(lambda: self.partitions(name) == 2)
        answer = self.administer(lambda admin: admin.create_topics([NewTopic(name, 2, 1)]))
        self.assertEqual([topic[:2] for topic in answer.topic_errors], [(name, 36)])
        self.administer(lambda admin: admin.create_partitions({name: NewPartitions(4)}))
        wait_for(lambda: self.partitions(name) == 4)
        self.administer(lambda admin: admin.delete_topics([name]))
        wait_for(lambda: name not in self.administer(lambda admin: admin.list_topics()))

    def test_settings_are_described_and_altered(self):
        from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

        topic = new_topic(retention_ms=7654321)

        def retention():
            asked = ConfigResource(ConfigResourceType.TOPIC, topic)
            (answer,) = self.administer(lambda admin: admin.describe_configs([asked]))
            return {entry[0]: entry[1] for entry in answer.resources[0][4]}["retention.ms"]

        self.assertEqual(retention(), "7654321")
        wanted = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.ms": "1234567"})
        self.administer(lambda admin: admin.alter_configs([wanted]))
        wait_for(lambda: retention() == "1234567")

    def test_records_are_deleted(self):
        from aiokafka.admin import RecordsToDelete

        topic = new_topic()
        AioKafka().send(topic, [Record(None, b"x", [], now())] * 100)
        place = TopicPartition(topic, 0)
        answer = self.administer(lambda admin: admin.delete_records({place: RecordsToDelete(before_offset=40)}))
        self.assertEqual(answer, {place: 40})
        self.assertEqual(AioKafka().ends(topic), (40, 100))

    def test_the_cluster_is_described(self):
        cluster = self.administer(lambda admin: admin.describe_cluster())
        self.assertEqual((len(cluster["brokers"]), cluster["controller_id"]), (1, 1))


if __name__ == "__main__":
    sys.exit(unittest.main())
