#!/usr/bin/env bash
# compare-tools.sh: each command of tool-commands.txt, Kafka 4.2's own tools option by option and what GUIs ask of
# its Admin, against Apache Kafka and against the broker under test, side by side, each made from the same
# server.properties. What they print and their status must be the same, apart from what tool-differences.md justifies,
# difference by difference: one that it does not hold fails, and so does one that it holds and that no longer is.
set -u -o pipefail
source "$(dirname "$0")/broker.sh"
work_dir compare-tools
tested=$KIND
export PROPERTIES=1

run() { # PART: one part of the list, in one JVM for both brokers
    java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="$HERE/java/log4j2.xml" \
        -cp "$CACHE/classes:$CACHE/jars/*" Tools "$WORK/commands.$1" "$WORK/out.$1" \
        "kafka=$reference=$WORK/kafka" "tested=$address=$WORK/tested" >"$WORK/times.$1" 2>&1 || { tail -n 30 "$WORK/times.$1" >&2; fail "the commands of part $1"; }
}

csplit -s -f "$WORK/commands." "$HERE/tool-commands.txt" '/^=== stopped/' || fail "tool-commands.txt has no second part"
sed -i '/^===/d' "$WORK/commands.01"

# Records have the timestamps that the list gives them: no retention may come along meanwhile.
# And groups are to begin at once.
calm=(log.initial.task.delay.ms=3600000 log.retention.check.interval.ms=3600000 group.initial.rebalance.delay.ms=0 offsets.topic.num.partitions=4)
KIND=kafka broker_start "$WORK/kafka" "${calm[@]}"
reference=$BROKER reference_pid=$BROKER_PID
KIND=$tested broker_start "$WORK/tested" "${calm[@]}"
address=$BROKER
run 00
broker_stop
BROKER=$reference BROKER_PID=$reference_pid KIND=kafka broker_stop
run 01
sort -rn "$WORK"/times.* | awk '{n += $1 + $2} END {print NR " commands, " n " ms"}' >&2
# Against itself Kafka has no differences to justify.
justified=$HERE/tool-differences.md
[ "$tested" != kafka ] || justified=/dev/null
python3 "$HERE/python/compare_tools.py" "$justified" "$WORK/out.00" "$WORK/out.01" || fail "the tools' answers differ"
