"""groups.py CLIENT [SCENARIO...]: real clients as members of groups of the broker in $BROKER, and what each record met.

A client is a program that hosts members (go/cmd/member, java/Member.java, python/member_*.py, node/member.js). It reads
commands, a line each, and says what happens to its members, a line each:

    start NAME key=value...        topics=T,T or pattern=REGEX; group, strategy, session, heartbeat, poll (ms), instance
    pause NAME MS                  it does not poll for so long
    leave NAME                     it leaves as it should

    NAME have TOPIC/PARTITION...   all that it has now
    NAME handled TOPIC/PARTITION/OFFSET/VALUE...   said before their offsets are committed
    NAME left                      after a leave
    NAME failed WORDS              it ended otherwise

NAME is the member's client id. A crash is a SIGKILL to the program, in which the victim is alone. Each scenario has topics
and groups of its own, so that several run at once ($JOBS).

What must hold: the members have every partition between them, none twice, none of them more than its share, and the broker
describes it so; of the records that were acknowledged none is missing; and where nobody crashed or was too slow each is
handled once. Whether records flow while the group rebalances depends on the client (Client.exact): some can only be held to
"once" when they are idle meanwhile.
"""

import collections
import concurrent.futures
import contextlib
import itertools
import os
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic, OffsetSpec

BROKER = os.environ["BROKER"]
HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("CACHE") or HERE.parents[2] / "target/clients")
# Milliseconds. The broker's settings in groups.sh allow so short ones; the session of the consumer protocol is the broker's.
SESSION, HEARTBEAT, POLL = 3000, 400, 300_000
SESSION_OF_CONSUMER_PROTOCOL = 4000
SECONDS_MAX = 40
# A librdkafka that has lost its only broker and bootstraps again may keep the one of before from coming back for ever.
ADMIN = AdminClient({"bootstrap.servers": BROKER, "log_level": 0, "metadata.recovery.strategy": "none"})
numbers = itertools.count(1)


class Wrong(Exception):
    """A promise that was not kept."""


def until(what, holds, seconds=SECONDS_MAX, every=0.05):
    """The first true answer of holds; what() or the words what say later what was wrong."""
    end = time.monotonic() + seconds
    while True:
        answer = holds()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Wrong(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


# --- the programs that host members


class Host:
    """A program of a client, and the thread that takes in what it says."""

    def __init__(self, client):
        self.members, self.lock = {}, threading.Lock()
        self.errors = Path(os.environ["WORK"], f"{client.name}-{next(numbers)}.err")
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                client.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **client.environment}
            )
        threading.Thread(target=self.listen, daemon=True).start()

    def tell(self, *words):
        with self.lock:
            self.process.stdin.write((" ".join(words) + "\n").encode())
            self.process.stdin.flush()

    def listen(self):
        for line in self.process.stdout:
            if not line.endswith(b"\n"):
                break  # It was killed while it wrote.
            name, event, *rest = line.decode().split()
            self.members[name].heard(event, rest)
        for member in list(self.members.values()):
            member.host_ended()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def complaints(self):
        return self.errors.read_text(errors="replace")[-3000:]


class Member:
    def __init__(self, scenario, host, group, settings):
        self.name = settings.pop("called", None) or f"{scenario.name}-{settings['as']}-{next(numbers)}"
        self.host, self.group, self.tells = host, group, scenario.client.tells
        self.have, self.changes, self.handled = set(), 0, []
        self.left, self.failure, self.killed = threading.Event(), None, False
        host.members[self.name] = self
        words = [f"{key}={value}" for key, value in settings.items() if key != "as" and value is not None]
        host.tell("start", self.name, f"group={group}", *words)

    def heard(self, event, rest):
        if event == "have":
            self.have = {place(word) for word in rest}
            self.changes += 1
        elif event == "handled":
            for word in rest:
                topic, partition, offset, value = word.rsplit("/", 3)
                self.handled.append(((topic, int(partition), int(offset)), int(value)))
        elif event == "left":
            self.left.set()
        else:
            self.failure = " ".join(rest)

    def host_ended(self):
        if not self.killed and not self.left.is_set():
            self.failure = f"its program ended: {self.host.complaints()}"

    def check(self):
        if self.failure is not None:
            raise Wrong(f"{self.name} failed: {self.failure}")

    def leave(self):
        self.host.tell("leave", self.name)
        until(f"{self.name} left", lambda: self.check() or self.left.is_set())

    def pause(self, milliseconds):
        self.host.tell("pause", self.name, str(milliseconds))

    def kill(self):
        self.killed = True
        self.host.kill()


def place(word):
    topic, partition = word.rsplit("/", 1)
    return topic, int(partition)


# --- one scenario: its topics, groups, records and members


class Scenario:
    def __init__(self, client, strategy, shared, name):
        self.client, self.strategy, self.shared = client, strategy, shared
        self.name = f"{client.name}-{strategy}-{name}-{next(numbers)}"
        self.group = self.name
        self.partitions, self.members, self.alone = {}, [], []
        # The number of each record that was acknowledged, by topic, partition and offset.
        self.sent = {}
        self.producer = Producer({"bootstrap.servers": BROKER, "enable.idempotence": True, "linger.ms": 2, "topic.metadata.refresh.interval.ms": 500, "log_level": 0})
        self.numbers = itertools.count(1)

    # -- topics and records

    def topic(self, partitions, name="topic"):
        name = f"{self.name}-{name}"
        ADMIN.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
        self.partitions[name] = partitions
        self.led(name)
        return name

    def extend(self, topic, partitions):
        ADMIN.create_partitions([NewPartitions(topic, partitions)])[topic].result(30)
        self.partitions[topic] = partitions
        self.led(topic)

    def led(self, topic):
        """Apache Kafka names a leader in its metadata a little before that broker knows of it."""

        def answered():
            try:
                self.ends(topic)
                return True
            except KafkaException:
                return False

        until(f"{topic} has leaders", answered)

    def ends(self, topic):
        wanted = {TopicPartition(topic, p): OffsetSpec.latest() for p in range(self.partitions[topic])}
        ADMIN.list_topics(topic, timeout=10)
        return {(at.topic, at.partition): answer.result(10).offset for at, answer in ADMIN.list_offsets(wanted).items()}

    def delivered(self, error, message):
        if error is None:
            self.sent[message.topic(), message.partition(), message.offset()] = int(message.value())

    def send(self, number):
        for topic, partitions in sorted(self.partitions.items()):
            self.send_to(topic, number % partitions, b"%d" % number)
        self.producer.poll(0)

    def send_to(self, topic, partition, value):
        end = time.monotonic() + 10
        while True:
            try:
                return self.producer.produce(topic, value, partition=partition, on_delivery=self.delivered)
            except KafkaException as refused:
                # It has not heard of more partitions yet.
                if refused.args[0].code() != KafkaError._UNKNOWN_PARTITION or time.monotonic() > end:
                    raise
            self.producer.poll(0.05)

    def produce(self, count):
        for _ in range(count):
            self.send(next(self.numbers))
        self.flush()

    def flush(self):
        if self.producer.flush(30):
            raise Wrong("records were not acknowledged within 30 s")

    @contextlib.contextmanager
    def flow(self, anyway=False):
        """Meanwhile records come, two hundred a second, unless that is too much for the client's precision."""
        if not anyway and not self.client.exact:
            self.quiet()
            yield
            self.produce(60)
            return
        end = threading.Event()

        def flowing():
            while not end.wait(0.005):
                self.send(next(self.numbers))

        thread = threading.Thread(target=flowing, daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()
        self.flush()

    # -- members

    def start(self, name, alone=False, group=None, client=None, **settings):
        client = client or self.client
        if alone:
            host = Host(client)
            self.alone.append(host)
        else:
            host = self.shared(client)
        if "pattern" not in settings:
            settings["topics"] = ",".join(sorted(self.partitions))
        member = Member(self, host, group or self.group, {
            "as": name, "strategy": self.strategy, "session": SESSION, "heartbeat": HEARTBEAT, "poll": POLL, **settings,
        })
        member.tells = client.tells
        self.members.append(member)
        return member

    def end(self):
        for host in self.alone:
            host.kill()
        for member in self.members:
            if not member.killed and not member.left.is_set() and member.host.process.poll() is None:
                with contextlib.suppress(OSError):
                    member.host.tell("leave", member.name)

    def settle(self, *members, group=None, each=None, seconds=SECONDS_MAX):
        """Waits until the members have all partitions between them, each its share, and the broker says the same."""
        whole = {(topic, p) for topic, partitions in self.partitions.items() for p in range(partitions)}
        seen = {}

        def settled():
            for member in members:
                member.check()
            state, has = described(group or self.group)
            seen.update(state=state, broker={name: sorted(parts) for name, parts in has.items()}, members={m.name: sorted(m.have) for m in members})
            if state != ConsumerGroupState.STABLE or set(has) != {member.name for member in members}:
                return False
            if sum(len(parts) for parts in has.values()) != len(whole) or set().union(*has.values()) != whole:
                return False
            if each is not None and sorted(map(len, has.values())) != sorted(each):
                return False
            return all(member.have == has[member.name] for member in members if member.tells)

        until(lambda: f"the group is settled: {seen}", settled, seconds)
        if each is None and len(self.partitions) == 1:
            sizes = [len(parts) for parts in seen["broker"].values()]
            if max(sizes) - min(sizes) > 1:
                raise Wrong(f"the shares are uneven: {seen['broker']}")

    def emptied(self, group=None):
        until("the group is empty", lambda: described(group or self.group)[0] == ConsumerGroupState.EMPTY)

    # -- what became of the records

    def handled(self, group=None):
        """The records that the members of a group handled: place and value, as often as they were."""
        return collections.Counter(it for m in self.members if m.group == (group or self.group) for it in tuple(m.handled))

    def complete(self, group=None):
        """Waits until every acknowledged record was handled in the group."""

        def all_of_them():
            for member in self.members:
                if not member.killed:
                    member.check()
            return not set(dict(self.sent).items()) - set(self.handled(group))

        until(lambda: f"records missing: {missing(self.sent, self.handled(group))}", all_of_them)

    def quiet(self, group=None):
        """Waits until every record is handled, and its offset committed."""
        self.complete(group)

        seen = {}

        def committed():
            seen.update(ends={at: end for topic in self.partitions for at, end in self.ends(topic).items() if end > 0})
            seen.update(offsets=offsets(group or self.group, seen["ends"]))
            return seen["offsets"] == seen["ends"]

        until(lambda: f"the offsets are the ends: {seen}", committed)

    def check(self, group=None, repeated_by=()):
        """Each acknowledged record was handled: once, or again after those members that say they need it."""
        handled, group = self.handled(group), group or self.group
        strange = set(handled) - set(self.sent.items())
        if strange:
            raise Wrong(f"{group} handled what nobody sent: {sorted(strange)[:5]}")
        lost = missing(self.sent, handled)
        if lost:
            raise Wrong(f"{group} did not handle {lost}")
        first = {it for member in repeated_by for it in member.handled}
        again = {it: times for it, times in handled.items() if times > 1 and it not in first}
        if again:
            raise Wrong(f"{group} handled {len(again)} of {len(self.sent)} records more than once: {sorted(again.items())[:5]}")
        want, have = sum(self.sent.values()), sum(value * times for (_, value), times in handled.items())
        if have < want or (not repeated_by and have != want):
            raise Wrong(f"the values of {group} sum up to {have}, not {want}")


def missing(sent, handled):
    lost = sorted(set(sent.items()) - set(handled))
    return lost and f"{len(lost)} of {len(sent)}, as {lost[:5]}"


def described(group):
    """The group's state, and what each of its members, by client id, has, as the broker says."""
    try:
        it = ADMIN.describe_consumer_groups([group], request_timeout=10)[group].result(15)
    except KafkaException as refused:
        return refused, {}
    has = {}
    for member in it.members:
        parts = member.assignment.topic_partitions if member.assignment else []
        # A client id is a member's own, unless a member came back before its former self was gone.
        has.setdefault(member.client_id, set()).update((at.topic, at.partition) for at in parts)
    return it.state, has if len(has) == len(it.members) else {}


def offsets(group, places):
    """What the group has committed of these partitions."""
    with asking:
        if group not in askers:
            askers[group] = Consumer({"bootstrap.servers": BROKER, "group.id": group, "log_level": 0})
    found = askers[group].committed([TopicPartition(*at) for at in places], timeout=10)
    return {(at.topic, at.partition): at.offset for at in found if at.error is None}


# Consumers that are in no group, but ask what it committed.
askers, asking = {}, threading.Lock()


# --- the scenarios


def life(s):
    """Members join and leave; who comes later goes on where the group was."""
    s.topic(6)
    a = s.start("a")
    s.settle(a)
    s.produce(300)
    s.complete()
    with s.flow():
        b = s.start("b")
        s.settle(a, b)
        time.sleep(0.3)
    s.complete()
    if s.client.exact and not b.handled:
        raise Wrong("the second member handled nothing")
    with s.flow():
        began = time.monotonic()
        b.leave()
        s.settle(a)
        took = time.monotonic() - began
    s.quiet()
    if took > SESSION / 1000 + 2:
        raise Wrong(f"a member's leave took {took:.1f} s, as if its session had to run out")
    a.leave()
    s.emptied()
    s.produce(200)
    c = s.start("c")
    s.settle(c)
    s.quiet()
    c.leave()
    s.check()
    if len(c.handled) != 200:
        raise Wrong(f"the last member handled {len(c.handled)} of the 200 new records")
    s.emptied()
    ADMIN.delete_consumer_groups([s.group], request_timeout=10)[s.group].result(15)
    if s.group in {group.group_id for group in ADMIN.list_consumer_groups(request_timeout=10).result(15).valid}:
        raise Wrong("the deleted group is listed")


def crash(s):
    """A member is killed: when its session is over the other has its partitions, and no record is missing."""
    s.topic(6)
    a, victim = s.start("a"), s.start("victim", alone=True)
    s.settle(a, victim)
    with s.flow(anyway=True):
        until("the victim handles records", lambda: victim.check() or victim.handled)
        time.sleep(0.3)
        victim.kill()
        began = time.monotonic()
        s.settle(a)
        took = time.monotonic() - began
    session = (SESSION_OF_CONSUMER_PROTOCOL if s.strategy == "consumer" else SESSION) / 1000
    if not session - 2 * HEARTBEAT / 1000 - 0.5 <= took <= session + 5:
        raise Wrong(f"the dead member's partitions were given away after {took:.1f} s, with sessions of {session:.0f} s")
    s.complete()
    b = s.start("b")
    s.settle(a, b)
    s.quiet()
    s.check(repeated_by=[victim] if s.client.exact else s.members)
    a.leave()
    b.leave()


def slow(s):
    """A member does not poll for longer than max.poll.interval.ms: it is put out, comes back and gets its share."""
    s.topic(6)
    a, b = s.start("a", poll=3500), s.start("b", poll=3500)
    s.settle(a, b)
    s.produce(120)
    s.quiet()
    began = time.monotonic()
    a.pause(11_000)
    s.settle(b, seconds=10)
    took = time.monotonic() - began
    if took < 2:
        raise Wrong(f"it was put out after {took:.1f} s already")
    s.produce(120)
    s.complete()
    s.settle(a, b)
    s.produce(120)
    s.quiet()
    s.check()
    a.leave()
    b.leave()


def grow(s):
    """A topic gets more partitions: their records, too, are handled."""
    topic = s.topic(2)
    a, b = s.start("a"), s.start("b")
    s.settle(a, b)
    s.produce(100)
    s.quiet()
    s.extend(topic, 6)
    s.settle(a, b)
    s.produce(300)
    s.quiet()
    s.check()
    a.leave()
    b.leave()


def pattern(s):
    """A topic that is made later matches the pattern that members subscribed to."""
    s.topic(2, "one")
    a, b = s.start("a", pattern=f"^{s.name}-.*"), s.start("b", pattern=f"^{s.name}-.*")
    s.settle(a, b)
    s.produce(100)
    s.quiet()
    s.topic(4, "two")
    s.settle(a, b)
    s.produce(100)
    s.quiet()
    s.check()
    a.leave()
    b.leave()


def idle(s):
    """With more members than partitions one waits, and takes over from who leaves."""
    s.topic(2)
    a, b, c = s.start("a"), s.start("b"), s.start("c")
    s.settle(a, b, c, each=[0, 1, 1])
    s.produce(100)
    s.quiet()
    _, has = described(s.group)
    leaver = next(member for member in (a, b, c) if has[member.name])
    leaver.leave()
    rest = [member for member in (a, b, c) if member is not leaver]
    s.settle(*rest, each=[1, 1])
    s.produce(100)
    s.quiet()
    s.check()
    for member in rest:
        member.leave()


def publish(s):
    """Of two groups each handles every record; of the members of one group one does."""
    s.topic(4)
    other = s.group + "-other"
    a, b, c = s.start("a"), s.start("b"), s.start("c", group=other)
    s.settle(a, b)
    s.settle(c, group=other)
    s.produce(400)
    s.quiet()
    s.quiet(other)
    s.check()
    s.check(other)
    if len(c.handled) != 400 or not a.handled or not b.handled:
        raise Wrong(f"they handled {len(a.handled)}, {len(b.handled)} and, in the other group, {len(c.handled)} records")
    for member in (a, b, c):
        member.leave()


def static(s):
    """A member with an instance id comes back within its session: it has what it had, and nobody else noticed."""
    s.topic(6)
    session = 8000
    a, b = s.start("a", instance=s.name + "-a", session=session), s.start("b", instance=s.name + "-b", session=session)
    s.settle(a, b)
    s.produce(100)
    s.quiet()
    before, changes = set(b.have), a.changes
    b.leave()
    s.produce(100)
    # The broker may keep the client id of its former self: it has the same.
    again = s.start("b", instance=s.name + "-b", session=session, called=b.name)
    s.settle(a, again)
    s.quiet()
    if again.have != before:
        raise Wrong(f"it had {sorted(before)} and has {sorted(again.have)}")
    if a.changes != changes:
        raise Wrong("the other member's partitions changed meanwhile")
    s.check()
    a.leave()
    again.leave()


def fence(s):
    """Of two members with one instance id one stays: by the classic protocol the later, by the consumer protocol the earlier."""
    s.topic(4)
    first = s.start("a", instance=s.name)
    s.settle(first)
    # The broker may keep the client id of the one that goes.
    second = s.start("b", instance=s.name, alone=True, called=first.name)
    stays, goes = (first, second) if s.strategy == "consumer" else (second, first)
    until("one of the two is fenced", lambda: stays.check() or goes.failure)
    if "instance" not in goes.failure.lower():
        raise Wrong(f"it failed with {goes.failure}")
    goes.killed = True
    s.settle(stays)
    s.produce(100)
    s.quiet()
    s.check()


def restart(s):
    """The broker is killed and comes back: the group goes on, from the offsets that it had."""
    s.topic(6)
    a, b = s.start("a"), s.start("b")
    s.settle(a, b)
    s.produce(300)
    s.quiet()
    before = set(s.handled())
    with s.flow(anyway=True):
        time.sleep(0.3)
        crash_wanted = Path(os.environ["WORK"], "crash")
        crash_wanted.touch()
        until("the broker is back", lambda: not crash_wanted.exists(), 60)
        s.settle(a, b, seconds=60)
        time.sleep(0.3)
    s.quiet()
    s.check(repeated_by=s.members)
    again = [it for it, times in s.handled().items() if times > 1 and it in before]
    if again:
        raise Wrong(f"{len(again)} records were handled again whose offsets were committed before the crash")
    a.leave()
    b.leave()


def migrate(s):
    """Members of the classic and of the consumer protocol are in one group, in both directions, without a stop."""
    s.topic(6)
    old = {"strategy": "cooperative-sticky"}
    a = s.start("classic", **old)
    s.settle(a)
    s.produce(100)
    s.quiet()
    b = s.start("consumer", strategy="consumer")
    s.settle(a, b)
    s.produce(100)
    s.quiet()
    a.leave()
    s.settle(b)
    c = s.start("again-classic", **old)
    s.settle(b, c)
    s.produce(100)
    s.quiet()
    b.leave()
    s.settle(c)
    s.produce(100)
    s.quiet()
    s.check()
    c.leave()


def mixed(s):
    """Members by different clients in one group, each leading it in its turn."""
    s.topic(10)
    there = []
    for name in ("java", "franz-go", "sarama", "confluent-kafka", "kafka-python", "aiokafka"):
        there.append(s.start(name, client=CLIENTS[name]))
        s.settle(*there)
        s.produce(60)
        s.quiet()
    # The leader goes first: the next one leads then.
    while len(there) > 1:
        there.pop(0).leave()
        s.settle(*there)
        s.produce(60)
        s.quiet()
    s.check()
    there[0].leave()


# --- the clients, and what each is put through

Client = collections.namedtuple("Client", "name command runs tells exact environment")


def client(name, command, runs, tells=True, exact=True, **environment):
    return name, Client(name, [str(word) for word in command], runs, tells, exact, environment)


def go(name):
    return [CACHE / "bin/member", name]


def python(name, venv="venv"):
    return [CACHE / venv / "bin/python", HERE / f"member_{name}.py"]


def java(jars="jars"):
    return [
        "java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dlog4j2.configurationFile={HERE.parent}/java/log4j2.xml",
        "-cp", f"{CACHE}/classes:{CACHE}/{jars}/*", "Member", BROKER,
    ]


def node():
    return ["node", HERE.parent / "node/member.js"]


# Some ask by ListOffsets 0 where a log begins. Kafka 4 has no such version; Millstream has.
FINDS_STARTS = os.environ["KIND"] != "kafka"
EVERYTHING = [life, crash, slow, grow, pattern, idle, publish, static, fence]
# Those that need the broker for themselves.
ALONE = [restart]
CLIENTS = dict([
    # Its Reader neither tells what it has nor when it loses it.
    client("kafka-go", go("kafka-go"), {"range": [life, crash, grow, idle, publish, restart], "roundrobin": [life]}, tells=False, exact=False),
    client("kafka-go-generations", go("kafka-go-generations"), {"range": [life, crash, grow], "roundrobin": [life]}, exact=False),
    client("franz-go", go("franz-go"), {
        "cooperative-sticky": [life, crash, grow, pattern, publish, static], "range": [life], "sticky": [life],
        # (Its static members do not leave for a while, as KIP-848 has it: they are away until their session is over.)
        "consumer": [life, crash, grow, idle, restart],
    }),
    client("sarama", go("sarama"), {
        "range": [life, crash, grow, static], "roundrobin": [life], "sticky": [life], "cooperative-sticky": [life, crash, idle],
    }),
    client("confluent-kafka", python("confluent"), {
        "range": [life, crash, slow, grow, pattern], "roundrobin": [life], "cooperative-sticky": [life, crash, static, fence, restart],
        "consumer": EVERYTHING,
    }),
    client("kafka-python", python("kafka_python"), {
        # (Where a topic comes or grows, its leader joins twice in a row, and a member that was in SyncGroup then may never
        # come back, with Apache Kafka too.)
        "range": [life, crash, slow], "roundrobin": [life, idle], "cooperative-sticky": [life],
    }),
    client("aiokafka", python("aiokafka"), {"range": [life, crash, slow, pattern], "roundrobin": [life, idle], "sticky": [life]}),
    client("kafkajs", node(), {"roundrobin": [life, crash, idle, publish]}, exact=False),
    client("java", java(), {
        "range": [life, crash, slow], "roundrobin": [life], "sticky": [life], "cooperative-sticky": [life, crash, grow, pattern, static, fence],
        "consumer": EVERYTHING + [migrate, restart],
    }),
    client("java-newest", java("java-versions/4.4.0"), {"cooperative-sticky": [life], "consumer": [life, crash]}),
    client("mixed", [], {"range": [mixed], "roundrobin": [mixed]}),
    # The oldest that Kafka 4 serves, whose requests are of other versions.
    client("oldest-java", java("java-versions/0.11.0.0"), {"range": [life, crash], "sticky": [life]}),
    client("older-java", java("java-versions/2.1.0"), {"range": [life, crash]}),
    client("older-confluent-kafka", python("confluent", "venv-older"), {"range": [life, crash], "cooperative-sticky": [life]}, exact=False),
    client("oldest-confluent-kafka", python("confluent", "venv-oldest"), FINDS_STARTS and {"range": [life, crash]}, exact=False),
    client("older-kafka-python", python("kafka_python", "venv-older"), {"range": [life, crash]}, exact=False),
    client("oldest-kafka-python", python("kafka_python", "venv-oldest"), {"range": [life, crash]}, exact=False),
    client("older-aiokafka", python("aiokafka", "venv-older"), {"range": [life, crash]}),
    client("oldest-aiokafka", python("aiokafka", "venv-oldest-aiokafka"), {"roundrobin": [life, crash]}, exact=False),
    client("older-kafkajs", node(), {"roundrobin": [life, crash]}, exact=False, KAFKAJS="kafkajs-1.8"),
    client("oldest-kafkajs", node(), FINDS_STARTS and {"roundrobin": [life, crash]}, exact=False, KAFKAJS="kafkajs-1.4"),
])


def main(name, *wanted):
    tested = CLIENTS[name]
    if not tested.runs:
        print(f"{name} is not served by Apache Kafka")
        return True
    hosts, lock = {}, threading.Lock()

    def shared(of):
        with lock:
            if of.name not in hosts:
                hosts[of.name] = Host(of)
            return hosts[of.name]

    def perform(strategy, play):
        began, scenario = time.monotonic(), Scenario(tested, strategy, shared, play.__name__)
        try:
            play(scenario)
            print(f"ok      {strategy:20} {play.__name__:8} {time.monotonic() - began:5.1f} s", flush=True)
            return True
        except Exception as wrong:  # noqa: whatever it is, the others go on
            words = str(wrong) if isinstance(wrong, Wrong) else traceback.format_exc()
            print(f"FAILED  {strategy:20} {play.__name__:8} {time.monotonic() - began:5.1f} s  {words}", flush=True)
            return False
        finally:
            scenario.end()

    warm_up()
    plays = [(strategy, play) for strategy, them in tested.runs.items() for play in them]
    strategies, names = set(wanted) & set(tested.runs), set(wanted) - set(tested.runs)
    plays = [one for one in plays if (not strategies or one[0] in strategies) and (not names or one[1].__name__ in names)]
    good = bool(plays)
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "6"))) as pool:
        beside = [pool.submit(perform, *one) for one in plays if one[1] not in ALONE]
        for answer in concurrent.futures.as_completed(beside):
            good = answer.result() and good
    for one in plays:
        if one[1] in ALONE:
            good = perform(*one) and good
    for host in hosts.values():
        if not good:
            print(f"--- {' '.join(host.process.args[:2])} said\n{host.complaints()}")
        host.kill()
    return good


def warm_up():
    """The first question for a coordinator makes the topic of offsets, which Apache Kafka takes seconds over."""

    def answered():
        try:
            return offsets("nobody", [("nothing", 0)])
        except KafkaException:
            return False

    until("groups have a coordinator", answered, 60)


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:]) else 1)
