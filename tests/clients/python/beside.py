"""A client beside the one under test: it makes topics and reads records back, for clients that cannot.

It reads one JSON command a line from its standard input and answers with one JSON line; bytes go in base64.

    {"create": TOPIC, "partitions": N, "config": {NAME: VALUE}}   null, once each partition has a leader that answers
    {"read": TOPIC, "partition": N, "offset": N, "count": N}      [{"offset", "timestamp", "key", "value", "headers"}]

It is confluent-kafka of requirements.txt, which test_confluent.py tests for itself.
"""

import base64
import json
import os
import sys
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

BROKER = os.environ["BROKER"]
ADMIN = AdminClient({"bootstrap.servers": BROKER})


def create(name, partitions, config):
    ADMIN.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(30)
    # Apache Kafka names a leader in its metadata a little before that broker knows of it.
    places = {TopicPartition(name, p): OffsetSpec.latest() for p in range(partitions)}
    for tries in range(200, 0, -1):
        try:
            ADMIN.list_topics(name, timeout=10)
            for answer in ADMIN.list_offsets(places).values():
                answer.result(10)
            return
        except KafkaException:
            if tries == 1:
                raise
        time.sleep(0.05)


def read(topic, partition, offset, count):
    # A consumer of its own: one that is assigned another partition takes a second over it.
    reader = Consumer(
        {
            "bootstrap.servers": BROKER, "group.id": "none is joined", "enable.auto.commit": False,
            "fetch.message.max.bytes": 8 << 20, "check.crcs": True, "auto.offset.reset": "error",
        }
    )
    try:
        reader.assign([TopicPartition(topic, partition, offset)])
        records, until = [], time.monotonic() + 60
        while len(records) < count:
            if time.monotonic() > until:
                raise TimeoutError(f"only {len(records)} of {count} records of {topic}")
            for message in reader.consume(count - len(records), 0.5):
                if message.error() is not None:
                    raise KafkaException(message.error())
                records.append(
                    {
                        "offset": message.offset(), "timestamp": message.timestamp()[1],
                        "key": packed(message.key()), "value": packed(message.value()),
                        "headers": [[name, packed(value)] for name, value in message.headers() or []],
                    }
                )
        return records
    finally:
        reader.close()


def packed(value):
    return None if value is None else base64.b64encode(value).decode()


def main():
    for line in sys.stdin:
        command = json.loads(line)
        if "create" in command:
            answer = create(command["create"], command["partitions"], command["config"])
        else:
            answer = read(command["read"], command["partition"], command["offset"], command["count"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
