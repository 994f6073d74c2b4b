"""kafka_go_suite.py LIST KIND [--again] RESULTS [RESULTS]: what `go test -json` told of kafka-go's tests, held against the
list of those that fail, a Markdown table of the test, of the broker with which it fails, and why.

A test with parts stands for the parts that fail. A test that fails and is not listed is wrong, and so is one that is
listed and passes, unless it fails "sometimes". The second results are of another run of some tests, which may pass there. With --again: only a
pattern for `go test -run` of what should run again.
"""

import json
import re
import sys
from pathlib import Path


def told(path):
    """The last word on each test, by package and name; `run` where there is none, because its package ended before."""
    words = {}
    for line in Path(path).read_text().splitlines():
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        if event.get("Test") and event["Action"] in ("run", "pass", "fail", "skip"):
            words[event["Package"], event["Test"]] = event["Action"]
    return words


def leaves(words):
    """Tests without those of which a part is there with the same word."""
    parents = {(package, test.rsplit("/", 1)[0], word) for (package, test), word in words.items() if "/" in test}
    return {at: word for at, word in words.items() if (*at, word) not in parents}


def rows(path, kind):
    listed, wavering = {}, set()
    for line in Path(path).read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        brokers, _, sometimes = cells[1].partition(", ") if len(cells) == 3 else ("", "", "")
        if brokers in ("both", kind):
            test = cells[0].strip("`").replace("\\|", "|")
            listed[test] = cells[2]
            if sometimes:
                wavering.add(test)
    return listed, wavering


def name(package, test):
    short = package.split("kafka-go", 1)[1].lstrip("/")
    return f"{short}: {test}" if short else test


def main(listing, kind, *rest):
    only_again, results = rest[0] == "--again", [told(path) for path in rest if path != "--again"]
    (listed, wavering), words = rows(listing, kind), results[0]
    if not only_again and len(results) > 1:
        words = {**words, **results[1]}
    last = leaves(words)
    failing = {name(*at) for at, word in last.items() if word in ("fail", "run")}
    strange = failing - set(listed)
    if only_again:
        print("|".join(sorted({f"^{re.sub('.*: ', '', test).split('/')[0]}$" for test in strange})))
        return True
    counts = {word: sum(1 for it in last.values() if it == word) for word in ("pass", "fail", "skip", "run")}
    print(f"{counts['pass']} pass, {counts['fail']} fail, {counts['skip']} are skipped, {counts['run']} did not end; {len(listed)} failures are listed")
    for test in sorted(strange):
        print(f"fails, and is not listed: {test}")
    passing = {name(*at) for at, word in last.items() if word == "pass"}
    stale = sorted(test for test in set(listed) - wavering if test not in failing)
    for test in stale:
        print(f"is listed ({listed[test]}) and {'passes' if test in passing else 'is not there'}: {test}")
    if len(results) > 1:
        healed = sorted(name(*at) for at, word in leaves(results[0]).items() if word in ("fail", "run") and results[1].get(at) == "pass")
        print(f"passed the second time: {', '.join(healed) or 'none'}")
    return not strange and not stale and counts["pass"] > 100


sys.exit(0 if main(*sys.argv[1:]) else 1)
