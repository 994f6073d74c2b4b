"""Members of groups by confluent-kafka (librdkafka)."""

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

import members

VERSION = tuple(int(part) for part in confluent_kafka.__version__.split(".")[:2])
OLD = VERSION < (1, 0)


def settings(member):
    wanted = {
        "bootstrap.servers": members.BROKER, "client.id": member.name, "group.id": member.group, "enable.auto.commit": False,
        "auto.offset.reset": "earliest", "topic.metadata.refresh.interval.ms": 1000, "fetch.wait.max.ms": 100,
    }
    if member.strategy == "consumer":
        wanted["group.protocol"] = "consumer"
    else:
        wanted.update({
            "partition.assignment.strategy": member.strategy, "session.timeout.ms": member.session,
            "heartbeat.interval.ms": member.heartbeat,
        })
    if member.instance:
        wanted["group.instance.id"] = member.instance
    if OLD:
        # It drops settings of topics, unless they stand apart, and knows no longest time between two polls.
        wanted["default.topic.config"] = {"auto.offset.reset": wanted.pop("auto.offset.reset")}
        wanted["socket.blocking.max.ms"] = 10
    else:
        wanted["max.poll.interval.ms"] = member.poll
    return wanted


def run(member):
    consumer, held = Consumer(settings(member)), set()
    added = member.strategy in ("cooperative-sticky", "consumer")

    def commit():
        if not member.uncommitted:
            return
        try:
            offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in member.uncommitted.items()]
            for place in consumer.commit(offsets=offsets, asynchronous=False) or []:
                if place.error is not None:
                    raise KafkaException(place.error)
            member.uncommitted.clear()
        except KafkaException as later:
            member.complain(later)

    def places(partitions):
        return {(place.topic, place.partition) for place in partitions}

    def assigned(_, partitions):
        if not added:
            held.clear()
        held.update(places(partitions))
        member.has(held)

    def revoked(_, partitions):
        commit()
        held.difference_update(places(partitions))
        member.loses(places(partitions))

    consumer.subscribe([member.pattern] if member.pattern else member.topics, on_assign=assigned, on_revoke=revoked)
    while not member.leaving.is_set():
        members.rest(member)
        # A callback may come in each poll: what was taken is handled before the next.
        message, taken = consumer.poll(0.1), 0
        while message is not None:
            if message.error() is None:
                member.handles([(message.topic(), message.partition(), message.offset(), message.value())])
            elif message.error().code() == getattr(KafkaError, "_FATAL", None):
                raise KafkaException(message.error())
            elif message.error().code() != KafkaError._PARTITION_EOF:
                member.complain(message.error())
            taken += 1
            message = consumer.poll(0) if taken < 100 else None
        commit()
    consumer.close()


if __name__ == "__main__":
    members.in_threads(run)
