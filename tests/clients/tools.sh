#!/usr/bin/env bash
# Kafka 4.2's own tools, by their main classes, against the broker in $BROKER, whose directory is $BROKER_DIR.
# What looks at files (kafka-dump-log) is in compare.sh and metadata-log.sh.
set -u
source "$(dirname "$0")/broker.sh"
work_dir tools
topic=tools-$$-$RANDOM
TOOLS=org.apache.kafka.tools
java_archive

# tool MAIN ARGUMENT...: its output in $WORK/out; a stack trace or an error line on either channel fails.
tool() {
    local main=$1
    shift
    java_run "$main" --bootstrap-server "$BROKER" "$@" >"$WORK/out" 2>"$WORK/err" || { cat "$WORK/out" "$WORK/err" >&2; fail "$main $*"; }
    # A topic that is made by its first record is unknown for a moment, which the producer logs.
    if grep -hE '^Error|Exception|ERROR|WARN' "$WORK/out" "$WORK/err" | grep -v '=UNKNOWN_TOPIC_OR_PARTITION}' >&2; then fail "$main $* complained"; fi
}
topics() { tool $TOOLS.TopicCommand "$@"; }
# told PATTERN WHAT: the last tool's output has a line like it
told() { grep -qE "$1" "$WORK/out" || { cat "$WORK/out" >&2; fail "$2"; }; }

# kafka-topics
topics --create --topic "$topic" --partitions 3 --replication-factor 1 --config retention.ms=86400000 --config segment.bytes=2097152
topics --list
told "^$topic\$" "kafka-topics --list without the topic"
topics --describe --topic "$topic"
told "Topic: $topic	TopicId: [A-Za-z0-9_-]{22}	PartitionCount: 3	ReplicationFactor: 1	Configs: .*segment.bytes=2097152" "kafka-topics --describe"
told "retention.ms=86400000" "kafka-topics --describe without retention.ms"
told "Partition: 2	Leader: 1	Replicas: 1	Isr: 1" "kafka-topics --describe without partition 2"
topics --create --if-not-exists --topic "$topic"
if java_run $TOOLS.TopicCommand --bootstrap-server "$BROKER" --create --topic "$topic" >"$WORK/out" 2>&1; then fail "a topic was created twice"; fi
told "already exists" "the second creation was refused with other words"

# kafka-configs, as far as describing goes
tool kafka.admin.ConfigCommand --describe --entity-type topics --entity-name "$topic"
told "retention.ms=86400000" "kafka-configs --describe"
tool kafka.admin.ConfigCommand --describe --all --entity-type topics --entity-name "$topic"
told "cleanup.policy=delete" "kafka-configs --describe --all for the topic"
tool kafka.admin.ConfigCommand --describe --all --entity-type brokers --entity-name 1
told "log.dirs=" "kafka-configs --describe --all for the broker"

# kafka-console-producer, kafka-console-consumer --partition --offset
for codec in none gzip snappy lz4 zstd; do
    seq 1 500 | sed "s/.*/key-&:$codec &/" >"$WORK/$codec"
    tool $TOOLS.ConsoleProducer --topic "$topic-$codec" --compression-codec $codec \
        --reader-property parse.key=true --reader-property key.separator=: <"$WORK/$codec"
done
for codec in none gzip snappy lz4 zstd; do
    tool $TOOLS.consumer.ConsoleConsumer --topic "$topic-$codec" --partition 0 --offset earliest --max-messages 500 \
        --formatter-property print.key=true --formatter-property key.separator=: --timeout-ms 20000
    cmp "$WORK/out" "$WORK/$codec" || fail "kafka-console-consumer: $codec came back otherwise"
done
tool $TOOLS.consumer.ConsoleConsumer --topic "$topic-zstd" --partition 0 --offset 498 --max-messages 2 --timeout-ms 20000
[ "$(paste -sd, "$WORK/out")" = "zstd 499,zstd 500" ] || fail "kafka-console-consumer --offset 498 printed $(cat "$WORK/out")"

# kafka-get-offsets, every form of --time
offsets() { # TIME EXPECTED
    tool $TOOLS.GetOffsetShell --topic "$topic-gzip" --time "$1"
    [ "$(cat "$WORK/out")" = "$2" ] || fail "kafka-get-offsets --time $1 said '$(cat "$WORK/out")', not '$2'"
}
for at in -1 latest; do offsets $at "$topic-gzip:0:500"; done
for at in -2 earliest -4 earliest-local; do offsets $at "$topic-gzip:0:0"; done
# The latest timestamp is that of the first record that has it, which is not always one of the last hundred.
tool $TOOLS.consumer.ConsoleConsumer --topic "$topic-gzip" --partition 0 --offset earliest --max-messages 500 \
    --formatter-property print.timestamp=true --formatter-property print.offset=true --timeout-ms 20000
latest=$(tr ':' '\t' <"$WORK/out" | sort -t "$(printf '\t')" -k 2,2nr -k 4,4n | head -n 1 | cut -f 4)
for at in -3 max-timestamp; do offsets $at "$topic-gzip:0:$latest"; done
for at in -5 latest-tiered; do tool $TOOLS.GetOffsetShell --topic "$topic-gzip" --time $at; done
offsets 0 "$topic-gzip:0:0"
tool $TOOLS.GetOffsetShell --topic-partitions "$topic:0-2"
[ "$(cat "$WORK/out")" = "$topic:0:0
$topic:1:0" ] || fail "kafka-get-offsets --topic-partitions said $(cat "$WORK/out")"

# kafka-producer-perf-test and kafka-consumer-perf-test's counterpart: every record is there
for codec in none gzip snappy lz4 zstd; do
    tool $TOOLS.ProducerPerformance --topic "$topic-perf" --num-records 20000 --record-size 1000 --throughput -1 \
        --command-property acks=all --command-property compression.type=$codec
    told "20000 records sent, .* 99.9th" "kafka-producer-perf-test in $codec"
done
tool $TOOLS.GetOffsetShell --topic "$topic-perf"
[ "$(cut -d: -f3 "$WORK/out")" = 100000 ] || fail "kafka-producer-perf-test left $(cat "$WORK/out")"

# kafka-broker-api-versions
tool $TOOLS.BrokerApiVersionsCommand
told "Produce\(0\): .*13" "kafka-broker-api-versions"

# delete
topics --delete --topic "$topic"
topics --list
if grep -qx "$topic" "$WORK/out"; then fail "the deleted topic is listed"; fi
say "Kafka's tools: all checks passed"
