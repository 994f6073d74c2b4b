"""What the suites of the Python clients share: the promises that each of them checks, and records to check them with.

A suite is a subclass of Records and unittest.TestCase that says how its client sends and consumes. It runs under the
Python of its client, which may be 3.6; topics are made by beside.py under the Python of the newest clients.
"""

import collections
import itertools
import json
import os
import random
import struct
import subprocess
import time
from pathlib import Path

BROKER = os.environ["BROKER"]
DATA = Path(os.environ["BROKER_DIR"]) / "data"
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# Bytes of values: from one byte to 5 MiB, with the edges of varints and of 64 KiB pieces.
SIZES = [1, 63, 64, 1000, 8191, 65535, 65536, 65537, 1 << 20, 5 << 20]
LARGEST = 8 << 20

# headers is a list of (name, bytes or None).
Record = collections.namedtuple("Record", "key value headers timestamp")
Placed = collections.namedtuple("Placed", "offset timestamp key value headers")
numbers = itertools.count()


class Beside:
    """The process of beside.py, started at its first command."""

    process = None

    @classmethod
    def ask(cls, **command):
        if cls.process is None:
            here = Path(__file__).resolve().parent
            cache = Path(os.environ.get("CACHE") or here.parents[2] / "target/clients")
            cls.process = subprocess.Popen(
                [str(cache / "venv/bin/python"), str(here / "beside.py")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True,
            )
        cls.process.stdin.write(json.dumps(command) + "\n")
        cls.process.stdin.flush()
        answer = cls.process.stdout.readline()
        if not answer:
            raise RuntimeError("the client beside ended at {}".format(command))
        return json.loads(answer)

    @classmethod
    def end(cls):
        if cls.process is not None:
            cls.process.communicate(timeout=30)
            cls.process = None


def topic_name():
    return "python-{}-{}".format(int(time.time() * 1e6), next(numbers))


def new_topic(partitions=1, **config):
    name = topic_name()
    config = {key.replace("_", "."): str(value) for key, value in config.items()}
    Beside.ask(create=name, partitions=partitions, config=config)
    return name


def wait_for(condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError("it did not become true within 10 s")


def value(seed, size):
    """A payload that compresses about by half."""
    block = random.Random(seed).getrandbits(8 * 4096).to_bytes(4096, "big")
    return (b"".join(block[i : i + 32] + bytes(32) for i in range(0, 4096, 32)) * (size // 8192 + 1))[:size]


def now():
    return int(time.time()) * 1000


def batches(topic, partition=0):
    """Codec and whether a producer id is there, of each batch in the broker's file (whose format is Kafka's)."""
    data, at, found = (DATA / "{}-{}".format(topic, partition) / "00000000000000000000.log").read_bytes(), 0, []
    while at + 61 <= len(data):
        _, length, _, magic, _, attributes = struct.unpack_from(">qiibIh", data, at)
        if length == 0:  # Apache Kafka may have made room beyond the end.
            break
        assert magic == 2, "a batch of format {}".format(magic)
        (producer_id,) = struct.unpack_from(">q", data, at + 43)
        found.append((CODECS[attributes & 7], producer_id >= 0))
        at += 12 + length
    return found


class Records:
    """What must hold for the records of every client."""

    codecs = CODECS
    sizes = SIZES
    # The same of records that nobody acknowledges.
    sizes_unacknowledged = SIZES
    # Name, to what the client's send is given.
    acks = {}
    # What the client can send besides key, value and timestamp.
    headers = [("size", b"12345"), ("null", None), ("empty", b"")]
    # Whether it can send a record of neither key nor value.
    empty_records = False
    # What send raises for a record beyond max.message.bytes.
    too_large = None

    def send(self, topic, records, partition=0, codec="none", **acks):
        """Sends Records and answers the offset of each, or None where the client does not say."""
        raise NotImplementedError

    def consume(self, topic, count, partition=0, offset=0):
        """Placed records."""
        raise NotImplementedError

    def ends(self, topic, partition=0):
        """The first and the next offset."""
        raise NotImplementedError

    def offset_at(self, topic, timestamp, partition=0):
        raise NotImplementedError

    @classmethod
    def tearDownClass(cls):
        Beside.end()

    def consumed(self, topic, count, partition=0, offset=0):
        got = self.consume(topic, count, partition, offset)
        self.assertEqual([record.offset for record in got], list(range(offset, offset + count)))
        return got

    def samples(self, size, number):
        yield Record(str(number).encode(), value(number, size), self.headers, now() + number)
        yield Record(None, b"no key", [], now())
        yield Record(b"no value", None, [], now())
        yield Record(b"", b"", [], now())
        if self.empty_records:
            yield Record(None, None, [], now())

    def test_every_codec_and_acknowledgement_carries_every_size(self):
        for codec, acks in itertools.product(self.codecs, self.acks):
            with self.subTest(codec=codec, acks=acks):
                topic = new_topic(max_message_bytes=LARGEST)
                sizes = self.sizes_unacknowledged if acks == "none" else self.sizes
                sent = [record for number, size in enumerate(sizes) for record in self.samples(size, number)]
                offsets = self.send(topic, sent, codec=codec, **self.acks[acks])
                if acks != "none":
                    self.assertEqual(offsets, list(range(len(sent))))
                got = self.consumed(topic, len(sent))
                for want, have in zip(sent, got):
                    self.assertEqual((want.key, want.headers, want.timestamp), (have.key, list(have.headers), have.timestamp))
                    self.assertTrue(want.value == have.value, "the value at {} differs".format(have.offset))
                # A client may leave alone what would grow.
                stored = batches(topic)
                self.assertIn(codec, [used for used, _ in stored])
                self.assertLessEqual({used for used, _ in stored}, {codec, "none"})
                self.assertEqual({numbered for _, numbered in stored}, {acks == "idempotent"})

    def test_acknowledged_offsets_are_where_the_records_lie(self):
        topic, count = new_topic(4), 1000
        for partition in range(4):
            sent = [Record(None, "{}/{}".format(partition, n).encode(), [], now()) for n in range(count)]
            self.assertEqual(self.send(topic, sent, partition), list(range(count)))
        for partition in range(4):
            got = self.consumed(topic, count, partition)
            self.assertEqual([record.value.decode() for record in got], ["{}/{}".format(partition, n) for n in range(count)])

    def test_consumption_starts_at_any_offset(self):
        topic = new_topic()
        self.send(topic, [Record(None, str(n).encode(), [], now()) for n in range(1000)])
        for offset in (0, 1, 499, 998, 999):
            self.assertEqual(self.consumed(topic, 1000 - offset, offset=offset)[0].value, str(offset).encode())

    def test_a_log_append_time_topic_stamps_its_records(self):
        topic, before = new_topic(message_timestamp_type="LogAppendTime"), now()
        self.send(topic, [Record(None, b"x", [], 5)])
        self.assertGreaterEqual(self.consumed(topic, 1)[0].timestamp, before)

    def test_offsets_by_time_and_at_the_ends(self):
        topic, start = new_topic(2), now() - 100000
        self.send(topic, [Record(None, b"x", [], start + 1000 * n) for n in range(100)])
        self.assertEqual(self.ends(topic, 0), (0, 100))
        self.assertEqual(self.ends(topic, 1), (0, 0))
        for at, offset in ((0, 0), (start + 41500, 42), (start + 42000, 42), (start + 99000, 99)):
            self.assertEqual((at, self.offset_at(topic, at)), (at, offset))

    def test_a_record_beyond_the_topics_limit_is_refused(self):
        topic = new_topic(max_message_bytes=10000)
        with self.assertRaises(self.too_large):
            self.send(topic, [Record(None, bytes(20000), [], now())])
        self.assertEqual(self.send(topic, [Record(None, b"small", [], now())]), [0])
