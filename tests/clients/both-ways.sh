#!/usr/bin/env bash
# A data directory and its server.properties, made by Apache Kafka, move to the broker under test and back and forth
# again. Each broker must find what the one before it left: topics, their ids and configs, offsets, records,
# the sequences of idempotent producers, groups and what they have committed, what transactions were committed and
# aborted; and hand out producer ids that were never used. Then it adds its own.
set -u -o pipefail
source "$(dirname "$0")/broker.sh"
work_dir both-ways
tested=$KIND
began=$(date +%s%3N)
dir=$WORK/broker
TOOLS=org.apache.kafka.tools
export PROPERTIES=1 # the server.properties, as Kafka's sample makes it, is all that a broker is given (and no port for metrics)

topics() { java_run $TOOLS.TopicCommand --bootstrap-server "$BROKER" "$@" 2>>"$WORK/err" || { tail "$WORK/err" >&2; fail "kafka-topics $*"; }; }

# state FILE: all that must survive a change of broker.
state() {
    local topic partition
    {
        topics --describe | grep -vE "Topic: (compacted|__consumer_offsets)" | by_config | sort
        if [ $step -gt 1 ] || [ -e "$WORK/grouped" ]; then
            java_run $TOOLS.consumer.group.ConsumerGroupCommand --bootstrap-server "$BROKER" --describe --all-groups --offsets 2>/dev/null |
                tr -s ' ' | grep . | sort | tee "$WORK/groups"
            [ "$(grep -c grouped "$WORK/groups")" = 2 ] || fail "$KIND: the groups have not committed"
        fi
        java_run $TOOLS.GetOffsetShell --bootstrap-server "$BROKER" --time earliest | grep -vE "^(compacted|__consumer_offsets):" | sed 's/^/earliest /' | sort
        java_run $TOOLS.GetOffsetShell --bootstrap-server "$BROKER" --time latest | grep -vE "^(compacted|__consumer_offsets):" | sort | tee "$WORK/ends"
        java_run $TOOLS.GetOffsetShell --bootstrap-server "$BROKER" --time max-timestamp | grep -vE "^(compacted|__consumer_offsets):" | sed 's/^/max-timestamp /' | sort
        while IFS=: read -r topic partition _; do
            kcat -b "$BROKER" -q -C -t "$topic" -p "$partition" -o beginning -e -X check.crcs=true \
                -f '%t %p %o %T %K:%k %h %S:%s\n' >"$WORK/records" || fail "cannot read $topic/$partition"
            echo "$topic/$partition: $(wc -l <"$WORK/records") records, $(sha256sum <"$WORK/records" | cut -c1-16)"
            head -n 1 "$WORK/records" | cut -c1-200
        done <"$WORK/ends"
    } >"$1"
    grep -q 'records, ' "$1" || fail "the state is empty"
}

# by_config sorts the configs of a described topic, whose order says nothing, and drops the eligible leader replicas,
# which only the metadata request that Millstream does not serve yet can tell.
by_config() {
    python3 -c '
import re, sys
for line in sys.stdin:
    line = re.sub(r"\tElr:.*", "", line.rstrip("\n"))
    head, found, configs = line.partition("Configs: ")
    print(head + found + ",".join(sorted(configs.split(","))))'
}

# new_ids: three producer ids, each above all that came before.
new_ids() {
    local id
    for id in $("$CACHE/bin/load" -producer-ids 3 | cut -d' ' -f1); do
        [ "$id" -gt "${highest:--1}" ] || fail "producer id $id was handed out after $highest"
        highest=$id
    done
}

# transactions STEP: Kafka writes some, every other one aborted; whoever reads (kcat: committed records only, as is its
# default) finds the others.
transactions() {
    topics --create --topic "transactions-$1" --config segment.bytes=1048576 >/dev/null
    "$CACHE/bin/transactions" -broker "$BROKER" -topic "transactions-$1" -count 40 >"$WORK/committed" || fail "the transactions of step $1"
    committed "$1"
}

committed() {
    kcat -b "$BROKER" -q -C -t "transactions-$1" -o beginning -e >"$WORK/read" || fail "cannot read transactions-$1"
    if grep -q aborted "$WORK/read"; then fail "$KIND: aborted records were read"; fi
    [ "$(wc -l <"$WORK/read")" = "$(<"$WORK/committed")" ] || fail "$KIND: $(wc -l <"$WORK/read") committed records of $(<"$WORK/committed") were read"
}

# add STEP: topics and records of this step, in new and old topics, by several clients.
add() {
    local step=$1 codec
    topics --create --topic "made-$step" --partitions 3 --config retention.ms=$((86400000 + step)) --config segment.bytes=1048576 >/dev/null
    topics --create --topic "plain-$step" >/dev/null
    "$CACHE/bin/load" -topic "load-$step" -partitions 4 -mib 12 -config segment.bytes=1048576 2>"$WORK/load" || { cat "$WORK/load" >&2; fail "the load of step $step"; }
    for codec in none gzip snappy lz4 zstd; do
        seq 1 200 | sed "s/.*/key-&:$codec of step $step, &/" |
            kcat -b "$BROKER" -P -t made-1 -p 2 -K : -z $codec -H step="$step" -X enable.idempotence=true || fail "kcat of step $step"
        seq 1 200 | kcat -b "$BROKER" -P -t "plain-$step" -z $codec || fail "kcat of step $step"
    done
    sequences "$step"
    new_ids
    if [ "$KIND" = kafka ]; then transactions "$step"; else committed $((step - 1)); fi
}

# sequences STEP: producer 4242 sent the sequences up to 2 x STEP - 3 in the steps before; its last batch comes again,
# then the next one, then one from beyond a gap.
sequences() {
    local next=$((2 * ($1 - 1)))
    send() { "$CACHE/bin/sequence" -broker "$BROKER" -topic plain-1 -producer 4242 -at "$began" -sequence "$1"; }
    if [ "$1" -gt 1 ]; then
        [ "$(send $((next - 2)))" = "$acknowledged" ] || fail "step $1: a repeated batch was answered otherwise than '$acknowledged'"
    fi
    acknowledged=$(send $next)
    [[ $acknowledged = ok* ]] || fail "step $1: the next sequence was answered with '$acknowledged'"
    [ "$(send $next)" = "$acknowledged" ] || fail "step $1: a batch sent twice was answered otherwise than '$acknowledged'"
    [ "$(send $((next + 10)))" = OUT_OF_ORDER_SEQUENCE_NUMBER ] || fail "step $1: a gap in the sequence was accepted"
}

# compacted STEP: each step sets fifty keys again and again and deletes some of them. In few bytes the last value of each is
# left, by whichever broker; the one before it has left no less, and what it left is read by Kafka's own tool.
compacted() {
    local step=$1 log=$dir/data/compacted-0 left
    if [ "$step" = 1 ]; then
        topics --create --topic compacted --config cleanup.policy=compact --config internal.segment.bytes=40000 \
            --config min.cleanable.dirty.ratio=0.01 >/dev/null
    else
        newest "$((step - 1))"
    fi
    seq 1 4000 | awk -v step="$step" '{printf "key-%d:%d of step %d\n", $1 % 50, $1, step}' |
        kcat -b "$BROKER" -P -t compacted -K : -X batch.num.messages=20 -X enable.idempotence=true || fail "keys of step $step"
    seq 0 4 49 | sed "s/.*/key-&:/" | kcat -b "$BROKER" -P -t compacted -K : -Z || fail "tombstones of step $step"
    # So that what is behind it is closed.
    seq 1 600 | awk '{printf "last:%060d\n", $1}' | kcat -b "$BROKER" -P -t compacted -K : -X batch.num.messages=20 || fail "the end of step $step"
    for _ in $(seq 1 90); do
        left=$(cat "$log"/*.log | wc -c)
        [ "$left" -lt 100000 ] && break
        sleep 1
    done
    [ "$left" -lt 100000 ] || fail "step $step, $KIND: $left bytes of a compacted topic are left"
    newest "$step"
    say "step $step, $KIND: $left bytes of the compacted topic are left"
}

# grouped STEP: a group of each protocol reads on where the step before has left it.
grouped() {
    local step=$1
    [ "$step" -gt 1 ] || topics --create --topic grouped --partitions 1 >/dev/null
    seq 1 20 | sed "s/^/step $step: /" >"$WORK/grouped"
    kcat -b "$BROKER" -P -t grouped -l "$WORK/grouped" || fail "records for groups of step $step"
    timeout 60 kcat -b "$BROKER" -q -u -G of-classic-members grouped -c 20 -X auto.offset.reset=earliest >"$WORK/read" 2>"$WORK/err" ||
        { tail "$WORK/err" >&2; fail "$KIND: a classic member of step $step"; }
    cmp "$WORK/read" "$WORK/grouped" || fail "$KIND: a classic group went on elsewhere in step $step"
    java_run $TOOLS.consumer.ConsoleConsumer --bootstrap-server "$BROKER" --topic grouped --group of-consumers --max-messages 20 --timeout-ms 60000 \
        --command-property group.protocol=consumer --command-property auto.offset.reset=earliest >"$WORK/read" 2>"$WORK/err" ||
        { tail "$WORK/err" >&2; fail "$KIND: a consumer of step $step"; }
    cmp "$WORK/read" "$WORK/grouped" || fail "$KIND: a consumer group went on elsewhere in step $step"
    [ "$step" = 2 ] || return 0
    # Kafka's own formatter reads what stands behind it, from both brokers.
    java_run $TOOLS.consumer.ConsoleConsumer --bootstrap-server "$BROKER" --topic __consumer_offsets --from-beginning --timeout-ms 5000 \
        --formatter $TOOLS.consumer.OffsetsMessageFormatter >"$WORK/read" 2>"$WORK/err"
    for group in of-classic-members of-consumers; do
        for offset in 20 40; do
            grep -q "{\"group\":\"$group\",\"topic\":\"grouped\",\"partition\":0}},\"value\":{\"version\":4,\"data\":{\"offset\":$offset," "$WORK/read" ||
                { cut -c1-2000 "$WORK/read" >&2; fail "Kafka's formatter does not tell of offset $offset of $group"; }
        done
    done
}

# newest STEP: of each key the value that step STEP set last, none of those that it deleted.
newest() {
    kcat -b "$BROKER" -q -C -t compacted -o beginning -e -X check.crcs=true -f '%k %S %s\n' >"$WORK/keys" || fail "cannot read compacted"
    awk '{if ($2 < 0) delete value[$1]; else {at = $1; $1 = $2 = ""; value[at] = $0}} END {for (key in value) print key value[key]}' \
        "$WORK/keys" | grep -v ^last | sort >"$WORK/newest"
    seq 1 4000 | awk -v step="$1" '{value[$1 % 50] = $1 " of step " step} END {for (key in value) if (key % 4) print "key-" key "  " value[key]}' |
        sort >"$WORK/wanted"
    diff "$WORK/wanted" "$WORK/newest" >"$WORK/diff" || { head -20 "$WORK/diff" >&2; fail "$KIND: not what step $1 set last"; }
}

step=0
for KIND in kafka "$tested" kafka "$tested"; do
    step=$((step + 1))
    broker_start "$dir" log.cleaner.backoff.ms=500
    if [ $step -gt 1 ]; then
        state "$WORK/found-$step"
        diff -a "$WORK/left-$((step - 1))" "$WORK/found-$step" >"$WORK/diff" || { cut -c1-250 "$WORK/diff" | head -20 >&2; fail "step $step, $KIND: it is not what step $((step - 1)) left"; }
    fi
    add $step
    compacted $step
    grouped $step
    state "$WORK/left-$step"
    broker_stop
    java_run kafka.tools.DumpLogSegments --deep-iteration --files "$(find "$dir/data/compacted-0" -name "*.log" | sort | paste -sd,)" >"$WORK/dump" 2>&1 ||
        { tail "$WORK/dump" >&2; fail "kafka-dump-log of step $step"; }
    if grep -iE "exception|mismatch|corrupt|isvalid: false" "$WORK/dump" >&2; then fail "step $step: kafka-dump-log found faults"; fi
    say "step $step, $KIND: $(grep -c TopicId "$WORK/left-$step") topics, $(awk '/records, / {n += $2} END {print n}' "$WORK/left-$step") records"
done
say "both ways: all checks passed"
