"""Members of groups by kafka-python."""

import kafka
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

import members

VERSION = tuple(int(part) for part in kafka.__version__.split(".")[:2])
ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}
if VERSION >= (3, 0):
    from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

    ASSIGNORS["cooperative-sticky"] = CooperativeStickyAssignor


def next_offset(offset):
    """Since 2.1 an offset has a leader epoch, too."""
    fields = {"offset": offset, "metadata": "", "leader_epoch": -1}
    return OffsetAndMetadata(*(fields[name] for name in OffsetAndMetadata._fields))


class Listener(ConsumerRebalanceListener):
    def __init__(self, member, commit):
        self.member, self.commit = member, commit

    def on_partitions_revoked(self, revoked):
        self.commit()
        self.member.loses([tuple(place) for place in revoked])

    def on_partitions_assigned(self, assigned):
        pass

    def on_partitions_lost(self, lost):
        self.member.loses([tuple(place) for place in lost])


def run(member):
    more = {"group_instance_id": member.instance} if member.instance else {}
    consumer = KafkaConsumer(
        bootstrap_servers=members.BROKER, client_id=member.name, group_id=member.group, enable_auto_commit=False,
        auto_offset_reset="earliest", session_timeout_ms=member.session, heartbeat_interval_ms=member.heartbeat,
        max_poll_interval_ms=member.poll, partition_assignment_strategy=[ASSIGNORS[member.strategy]],
        metadata_max_age_ms=1000, fetch_max_wait_ms=100, max_poll_records=100, **more
    )

    def commit():
        if not member.uncommitted:
            return
        try:
            consumer.commit({TopicPartition(*place): next_offset(offset) for place, offset in member.uncommitted.items()})
            member.uncommitted.clear()
        except KafkaError as later:
            member.complain(later)

    wanted = {"pattern": member.pattern} if member.pattern else {"topics": member.topics}
    consumer.subscribe(listener=Listener(member, commit), **wanted)
    while not member.leaving.is_set():
        members.rest(member)
        for place, messages in consumer.poll(100).items():
            member.handles([(place.topic, place.partition, message.offset, message.value) for message in messages])
        commit()
        member.has([tuple(place) for place in consumer.assignment()])
    consumer.close()


if __name__ == "__main__":
    members.in_threads(run)
