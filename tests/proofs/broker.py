"""What the proofs share: a broker process, a raw wire client, record batches made by hand.

Only Python's standard library, and no Kafka client: a proof must know each byte that it sends and gets.
The binary is $MILLSTREAM, by default target/release/millstream.
"""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("MILLSTREAM", os.path.join(ROOT, "target/release/millstream"))

PRODUCE, FETCH, METADATA, CREATE_TOPICS = 0, 1, 3, 19


class Failed(Exception):
    """The proof does not hold."""


def prove(name, proof):
    """Runs a proof; prints PASS, FAIL or SKIPPED with its reason and exits with 0, 1 or 3."""
    try:
        verdict = proof()
    except Failed as why:
        print(f"FAIL {name}: {why}", flush=True)
        sys.exit(1)
    except Missing as why:
        print(f"SKIPPED {name}: {why}", flush=True)
        sys.exit(3)
    print(f"PASS {name}: {verdict}", flush=True)


class Missing(Exception):
    """The machine lacks what the proof needs."""


def require(program):
    if shutil.which(program) is None:
        raise Missing(f"{program} is not installed")


class Broker:
    """A broker on a port and a data directory of its own; stopped and cleaned up at the end."""

    def __init__(self, overrides=(), prefix=()):
        self.directory = tempfile.mkdtemp(prefix="millstream-proof-")
        self.log_path = os.path.join(self.directory, "broker.log")
        self.data = os.path.join(self.directory, "data")
        command = list(prefix) + [BINARY, "serve"]
        all_overrides = ["listeners=PLAINTEXT://127.0.0.1:0", f"log.dirs={self.data}", "millstream.metrics.listener=", *overrides]
        for override in all_overrides:
            command += ["--override", override]
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.port = None

    def __enter__(self):
        try:
            self.port = self._port()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _port(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            said = self.said()
            port = re.search(r"listening on \S+:(\d+)", said)
            if port and "the broker is ready" in said:
                return int(port.group(1))
            if self.process.poll() is not None:
                raise Failed(f"the broker ended at its start: {said[-2000:]}")
            time.sleep(0.02)
        raise Failed(f"the broker did not start: {self.said()[-2000:]}")

    @property
    def pid(self):
        return self.process.pid

    def said(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def check_alive(self):
        if self.process.poll() is not None:
            raise Failed(f"the broker died with {self.process.returncode}: {self.said()[-3000:]}")

    def log_bytes(self, topic):
        """Bytes of all .log files of a topic."""
        return sum(
            os.path.getsize(os.path.join(self.data, name, file))
            for name in os.listdir(self.data)
            if name.rpartition("-")[0] == topic
            for file in os.listdir(os.path.join(self.data, name))
            if file.endswith(".log")
        )


class Wire:
    """One connection; requests by hand, in versions without tagged fields."""

    def __init__(self, port, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation = 0

    def close(self):
        self.socket.close()

    def ask(self, api, version, body):
        self.send(frame(api, version, self.correlation, body))
        return self.answer()

    def send(self, bytes_):
        self.socket.sendall(bytes_)

    def answer(self):
        """The next answer, without its length and correlation id."""
        length = struct.unpack(">i", self._exactly(4))[0]
        answer = memoryview(self._exactly(length))
        correlation = struct.unpack_from(">i", answer)[0]
        if correlation != self.correlation:
            raise Failed(f"the answer to {self.correlation} says that it is to {correlation}")
        self.correlation += 1
        return answer[4:]

    def _exactly(self, count):
        bytes_ = bytearray(count)
        view, at = memoryview(bytes_), 0
        while at < count:
            got = self.socket.recv_into(view[at:])
            if got == 0:
                raise ConnectionError("the broker closed the connection")
            at += got
        return bytes_

    def bytes_received(self):
        """What the kernel says has come: tcpi_bytes_received (linux/tcp.h)."""
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
        return struct.unpack_from("=Q", info, 128)[0]

    # -- requests

    def create_topic(self, name, partitions, configs=()):
        body = struct.pack(">i", 1) + string(name) + struct.pack(">ihi", partitions, 1, 0)
        body += struct.pack(">i", len(configs))
        for key, value in configs:
            body += string(key) + string(value)
        body += struct.pack(">i?", 30_000, False)
        answer = self.ask(CREATE_TOPICS, 2, body)
        # throttle time, count, name, error
        error = struct.unpack_from(">h", answer, 8 + 2 + len(name))[0]
        if error != 0:
            raise Failed(f"creating topic {name}: error {error}")

    def produce(self, topic, batches, acks=1):
        """Produces {partition: batch}; returns {partition: base offset}."""
        answer = self.ask(PRODUCE, 7, produce_body(topic, batches, acks))
        at = 4 + 2 + len(topic)
        count, at = struct.unpack_from(">i", answer, at)[0], at + 4
        bases = {}
        for _ in range(count):
            partition, error, base = struct.unpack_from(">ihq", answer, at)
            if error != 0:
                raise Failed(f"producing to {topic}-{partition}: error {error}")
            bases[partition] = base
            at += 4 + 2 + 8 + 8 + 8
        return bases

    def fetch(self, topic, offsets, bytes_max, wait_ms=500, bytes_min=1):
        """Fetches {partition: offset}, at most `bytes_max` of each; returns {partition: bytes}."""
        return fetched(topic, self.ask(FETCH, 4, fetch_body(topic, offsets, bytes_max, wait_ms, bytes_min)))


def produce_body(topic, batches, acks=1):
    body = [struct.pack(">hhi", -1, acks, 30_000), struct.pack(">i", 1), string(topic)]
    body.append(struct.pack(">i", len(batches)))
    for partition, batch in batches.items():
        body += [struct.pack(">ii", partition, len(batch)), batch]
    return b"".join(body)


def fetch_body(topic, offsets, bytes_max, wait_ms=500, bytes_min=1):
    body = struct.pack(">iiiib", -1, wait_ms, bytes_min, 2**31 - 1, 0)
    body += struct.pack(">i", 1) + string(topic) + struct.pack(">i", len(offsets))
    for partition, offset in offsets.items():
        body += struct.pack(">iqi", partition, offset, bytes_max)
    return body


def fetched(topic, answer):
    at = 4 + 4 + 2 + len(topic)
    count, at = struct.unpack_from(">i", answer, at)[0], at + 4
    records = {}
    for _ in range(count):
        partition, error = struct.unpack_from(">ih", answer, at)
        if error != 0:
            raise Failed(f"fetching {topic}-{partition}: error {error}")
        aborted = struct.unpack_from(">i", answer, at + 22)[0]
        at += 26 + 16 * max(aborted, 0)
        length = struct.unpack_from(">i", answer, at)[0]
        records[partition] = answer[at + 4 : at + 4 + length]
        at += 4 + length
    return records


def frame(api, version, correlation, body, client="proof"):
    header = struct.pack(">hhi", api, version, correlation) + string(client)
    return struct.pack(">i", len(header) + len(body)) + header + body


def string(text):
    bytes_ = text.encode()
    return struct.pack(">h", len(bytes_)) + bytes_


# -- record batches


def batch_of(size, seed=0):
    """A record batch of exactly `size` bytes with one record of random bytes."""
    import random

    for value_bytes in range(size - 61 - 6, size - 61 - 24, -1):
        if value_bytes >= 0 and 61 + len(record_frame(value_bytes)) + value_bytes + 1 == size:
            break
    else:
        raise ValueError(f"no batch has {size} bytes")
    value = random.Random(seed).randbytes(value_bytes)
    record = record_frame(value_bytes) + value + varint(0)
    now_ms = int(time.time() * 1000)
    body = struct.pack(">hiqqqhii", 0, 0, now_ms, now_ms, -1, -1, -1, 1) + record
    head = struct.pack(">qiib", 0, 4 + 1 + 4 + len(body), -1, 2)
    batch = head + struct.pack(">I", crc32c(body)) + body
    assert len(batch) == size
    return batch


def record_frame(value_bytes):
    """All of a record before its value; behind it only the count of headers follows."""
    rest = b"\0" + varint(0) + varint(0) + varint(-1) + varint(value_bytes)
    return varint(len(rest) + value_bytes + 1) + rest


def varint(number):
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(bytes_):
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in bytes_:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


# -- the witness


class Strace:
    """strace attached to all threads of a process, while the block runs."""

    def __init__(self, pid, calls):
        require("strace")
        self.path = tempfile.mktemp(prefix="millstream-proof-strace-")
        command = ["strace", "-f", "-y", "-s", "0", "-e", f"trace={calls}", "-o", self.path, "-p", str(pid)]
        self.pid = pid
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        # It traces once each thread of the process says so.
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            threads = os.listdir(f"/proc/{self.pid}/task")
            if all(self._traces(thread) for thread in threads):
                return self
            if self.process.poll() is not None:
                raise Missing(f"strace cannot attach: {self.process.stderr.read().strip()}")
            time.sleep(0.02)
        self.__exit__()
        raise Missing("strace did not attach within 20 s")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self.process.stderr.close()
        try:
            with open(self.path, errors="replace") as trace:
                self.lines = trace.read().splitlines()
            os.unlink(self.path)
        except FileNotFoundError:
            self.lines = []

    def _traces(self, thread):
        try:
            with open(f"/proc/{self.pid}/task/{thread}/status") as status:
                text = status.read()
        except (FileNotFoundError, ProcessLookupError):
            return True
        # A worker of io_uring is a thread of the process that makes no system calls; strace may not
        # be able to attach to it.
        name = re.search(r"^Name:\s*(\S+)", text, re.M).group(1)
        return name.startswith("iou-") or f"TracerPid:\t{self.process.pid}\n" in text

    def calls(self):
        """[(name, arguments, result)], calls that were interrupted in the trace put together."""
        begun, calls = {}, []
        for line in self.lines:
            thread, _, text = line.partition(" ")
            text = text.strip()
            if text.endswith("<unfinished ...>"):
                begun[thread] = text[: -len("<unfinished ...>")]
                continue
            resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", text)
            if resumed:
                text = begun.pop(thread, "") + resumed.group(1)
            call = re.match(r"(\w+)\((.*)\)\s+= (-?\d+|\?)", text)
            if call:
                name, arguments, result = call.groups()
                calls.append((name, arguments, -1 if result == "?" else int(result)))
        return calls
