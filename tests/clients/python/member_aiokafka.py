"""Members of groups by aiokafka."""

import asyncio
import threading

import aiokafka
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

try:
    from aiokafka.coordinator.assignors.range import RangePartitionAssignor
    from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    from aiokafka.errors import KafkaError
except ImportError:  # Before 0.8 they are kafka-python's.
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    from kafka.errors import KafkaError
try:
    from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
except ImportError:
    StickyPartitionAssignor = None

import members

VERSION = tuple(int(part) for part in aiokafka.__version__.split(".")[:2])
ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor, "sticky": StickyPartitionAssignor}
LOOP = asyncio.new_event_loop()
# Clients before 0.7 take the loop that newer Pythons know.
IN_LOOP = {"loop": LOOP} if VERSION < (0, 7) else {}


class Listener(ConsumerRebalanceListener):
    def __init__(self, member, idle, commit):
        self.member, self.idle, self.commit = member, idle, commit

    async def on_partitions_revoked(self, revoked):
        # The rebalance runs beside the member: what it has taken is committed first.
        await self.idle.wait()
        await self.commit()
        self.member.loses([tuple(place) for place in revoked])

    async def on_partitions_assigned(self, assigned):
        self.member.has([tuple(place) for place in assigned])


async def run(member):
    more = {"group_instance_id": member.instance} if member.instance else {}
    if VERSION >= (0, 6):
        more["max_poll_interval_ms"] = member.poll
    consumer = AIOKafkaConsumer(
        bootstrap_servers=members.BROKER, client_id=member.name, group_id=member.group, enable_auto_commit=False,
        auto_offset_reset="earliest", session_timeout_ms=member.session, heartbeat_interval_ms=member.heartbeat,
        partition_assignment_strategy=[ASSIGNORS[member.strategy]],
        metadata_max_age_ms=1000, fetch_max_wait_ms=100, **more, **IN_LOOP
    )
    idle = asyncio.Event()
    idle.set()

    async def commit():
        if not member.uncommitted:
            return
        try:
            await consumer.commit({TopicPartition(*place): offset for place, offset in member.uncommitted.items()})
            member.uncommitted.clear()
        except KafkaError as later:
            member.complain(later)

    wanted = {"pattern": member.pattern} if member.pattern else {"topics": member.topics}
    consumer.subscribe(listener=Listener(member, idle, commit), **wanted)
    await consumer.start()
    while not member.leaving.is_set():
        await asyncio.sleep(member.rest())
        records = await consumer.getmany(timeout_ms=100, max_records=100)
        idle.clear()
        for place, messages in records.items():
            member.handles([(place.topic, place.partition, message.offset, message.value) for message in messages])
        await commit()
        idle.set()
    await consumer.stop()
    members.say(member.name, "left")


async def guarded(member):
    try:
        await run(member)
    except Exception:
        member.failed()


def forever():
    asyncio.set_event_loop(LOOP)
    LOOP.run_forever()


if __name__ == "__main__":
    threading.Thread(target=forever, daemon=True).start()
    members.host(lambda member: asyncio.run_coroutine_threadsafe(guarded(member), LOOP))
