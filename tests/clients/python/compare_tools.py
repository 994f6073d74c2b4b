"""compare_tools.py DIFFERENCES OUT...: what Tools.java kept of each command, of Kafka and of the broker under test.

What must differ (addresses, directories, ids, the present time) is made equal first. Each line that then is on one side
alone must be accounted for by a row of DIFFERENCES, a Markdown table of command, Kafka's line, the tested broker's line
and the reason, where * stands for anything, {a,b} for one of these words, and an empty cell for no line. Both sides of each row must be found.
With SHOW=1 in the environment each difference is printed, justified or not.
"""

import difflib
import os
import re
import sys
from pathlib import Path


def normal(text, command):
    """The lines of one run without what must differ between two brokers."""
    lines = []
    for line in text.splitlines():
        # What clients and tools log has a time in it; and where in a tool an exception arose is not an answer.
        if re.match(r"(! )?(\[\d{4}-\d\d-\d\d |\s+at \S+\(|\s+\.\.\. \d+ more)", line):
            continue
        if command.startswith("topics "):
            line = re.sub(r"(Configs: )(\S+)", lambda m: m[1] + ",".join(sorted(m[2].split(","))), line)
        # Of a perf test the times differ: what it read counts.
        figures = line.split(", ")
        if command.startswith("consumer-perf-test ") and len(figures) == 10 and line[0].isdigit():
            line = f"{figures[2]} MB, {figures[4]} records"
        if command.startswith("consumer-groups --delete "):
            line = re.sub(r"\('[^']*'(, '[^']*')+\)", lambda m: "(" + ", ".join(sorted(m[0][1:-1].split(", "))) + ")", line)
        for pattern, to in RULES:
            line = re.sub(pattern, to, line)
        lines.append(line.rstrip())
    return sorted(lines) if re.match(IN_NO_ORDER, command) else lines


RULES = [
    (r"/\S*?/millstream-compare-tools\.\w+/(kafka|tested)", "DIR"),
    (r"(127\.0\.0\.1|localhost):\d+", "HOST:PORT"),
    (r'"port":\d+|port=\d+|\b(127\.0\.0\.1 +)\d{5}\b', r"\1PORT"),
    (r"\b[A-Za-z0-9_-]{21}[AQgw]\b", "UUID"),
    (r"\b1[78]\d{11}\b", "NOW"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
    (r"\b\d+ ms ago *", "NOW"),
    (r"(\tUUID\t)\d+ *\t", r"\1END\t"),
    (r"\bNOW +", "NOW "),
    (r"\bproducerId: \d+", "producerId: ID"),
    (r"\b(FinalizedVersion(?:Level)?: .*Epoch: )\d+", r"\1EPOCH"),
    (r'"avg_throughput":[\d.]+', '"avg_throughput":N'),
    (r"^(LeaderEpoch|HighWatermark|MaxFollowerLagTimeMs):(\s+)\d+", r"\1: N"),
]


# What these list comes in the order of a hash map.
IN_NO_ORDER = r"consumer-groups |groups |client-metrics --(list|describe)|configs --describe --entity-type (clients|users|ips|client-metrics)|delete-records"


def rows(path):
    """The justified differences."""
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) != 4 or cells[0] in ("Command",) or set(cells[0]) <= set("-: "):
            continue
        command, kafka, tested, why = (cell.strip("`") if i < 3 else cell for i, cell in enumerate(cells))
        yield {"at": number, "command": glob(command), "-": kafka and glob(kafka), "+": tested and glob(tested), "why": why, "seen": set()}


def glob(text):
    """* is anything, {a,b} one of these words."""
    parts = re.split(r"(\*|\{\w+(?:,\w+)+\})", text)
    return re.compile("".join(
        ".*" if part == "*" else "(" + part[1:-1].replace(",", "|") + ")" if re.fullmatch(r"\{\w+(,\w+)+\}", part) else re.escape(part)
        for part in parts))


def main(differences, *directories):
    justified = list(rows(differences))
    commands = bad = accounted = 0
    for directory in directories:
        for path in sorted(Path(directory).glob("*.command")):
            command = path.read_text().strip()
            commands += 1
            sides = [normal(path.with_suffix(side).read_text(), command) for side in (".kafka", ".tested")]
            open_lines = []
            if re.match("admin |produce |file ", command) and sides[0][-1] != "status 0":
                open_lines.append("    it failed with Kafka too, and so compares nothing: " + sides[0][0])
                bad += 1
            for line in difflib.ndiff(*sides) if sides[0] != sides[1] else []:
                sign, said = line[0], line[2:]
                if sign not in "-+":
                    continue
                found = [row for row in justified if row["command"].fullmatch(command) and row[sign] and row[sign].fullmatch(said)]
                for row in found[:1]:
                    row["seen"].add(sign)
                accounted += bool(found)
                if not found or os.environ.get("SHOW"):
                    open_lines.append(f"    {'justified ' if found else ''}{sign} {said}")
                bad += not found
            if open_lines:
                print(f"{path.stem} {command}", *open_lines, sep="\n")
    stale = [row for row in justified if any(row[sign] and sign not in row["seen"] for sign in "-+")]
    for row in stale:
        print(f"{differences}:{row['at']}: this difference is no more ({row['why']})")
    print(f"{commands} commands: {bad} lines differ without a reason, {accounted} with one, {len(stale)} of {len(justified)} reasons are stale")
    return bad or stale or not commands


sys.exit(1 if main(*sys.argv[1:]) else 0)
