"""What the programs that host members of groups by Python clients share; groups.py, which drives them, says in what words.

It runs under the Python of its client, which may be 3.6.
"""

import os
import sys
import threading
import time
import traceback

BROKER = os.environ["BROKER"]
OUTPUT = threading.Lock()


def say(*words):
    with OUTPUT:
        sys.stdout.write(" ".join(words) + "\n")
        sys.stdout.flush()


class Member:
    """One of a group, from its start to its leave."""

    def __init__(self, name, words):
        self.name = name
        self.settings = dict(word.split("=", 1) for word in words)
        self.pattern, self.instance = self.settings.get("pattern"), self.settings.get("instance")
        self.group, self.strategy = self.settings["group"], self.settings["strategy"]
        self.session, self.heartbeat, self.poll = (int(self.settings[it]) for it in ("session", "heartbeat", "poll"))
        self.topics = self.settings.get("topics", "").split(",")
        self.leaving, self.told = threading.Event(), None
        # Seconds that it is to rest, once.
        self.pause = 0
        # What it handled and could not commit yet: the next offset by topic and partition.
        self.uncommitted = {}

    def has(self, partitions):
        """Says what the member has, unless that is known."""
        words = sorted("{}/{}".format(topic, partition) for topic, partition in partitions)
        if words != self.told:
            self.told = words
            say(self.name, "have", *words)

    def loses(self, partitions):
        lost = {"{}/{}".format(topic, partition) for topic, partition in partitions}
        for place in partitions:
            self.uncommitted.pop(place, None)
        if self.told is not None:
            self.has(tuple(word.rsplit("/", 1)) for word in self.told if word not in lost)

    def handles(self, records):
        """records: topic, partition, offset, value."""
        if records:
            say(self.name, "handled", *("{}/{}/{}/{}".format(*record[:3], record[3].decode()) for record in records))
        for topic, partition, offset, _ in records:
            self.uncommitted[topic, partition] = offset + 1

    def rest(self):
        """How many seconds it is to rest now."""
        pause, self.pause = self.pause, 0
        return pause

    def complain(self, what):
        sys.stderr.write("{} {!r}\n".format(self.name, what))

    def failed(self):
        traceback.print_exc()
        say(self.name, "failed", *traceback.format_exc().split()[-60:])


def host(start):
    """Takes commands until there are no more; start begins what runs a member."""
    members = {}
    for line in sys.stdin:
        command, name, *words = line.split()
        if command == "start":
            members[name] = Member(name, words)
            start(members[name])
        elif command == "pause":
            members[name].pause = int(words[0]) / 1000
        else:
            members[name].leaving.set()
    os._exit(0)


def in_threads(run):
    """Hosts members that block, each in a thread of its own."""

    def running(member):
        try:
            run(member)
            say(member.name, "left")
        except Exception:
            member.failed()

    host(lambda member: threading.Thread(target=running, args=(member,), daemon=True).start())


def rest(member):
    time.sleep(member.rest())
