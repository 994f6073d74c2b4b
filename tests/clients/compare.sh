#!/usr/bin/env bash
# compare.sh [MIB]: one stream of Produce requests, captured from real clients (franz-go, kafka-go, kcat, Kafka's
# perf test; every codec; idempotent or not; with rolls), is replayed serially to Apache Kafka and to the broker
# under test. Then
#   - the answers, the look-ups by offset and by timestamp, and the batches fetched are the same;
#   - the .log files are the same, byte for byte (cmp);
#   - kafka-dump-log reads every file of the broker under test without a complaint; the indexes are not empty;
#   - kafka-dump-log --cluster-metadata-decoder reads its metadata log.
set -u -o pipefail
source "$(dirname "$0")/broker.sh"
work_dir compare
mib=${1:-24}
tested=$KIND

# Whatever kafka-dump-log says of damage, in its own words; payloads are left out.
refuse_complaints() {
    local said='[Mm]ismatch|Exception|out of order|[Nn]on-consecutive|isvalid: false|Found |WARN|ERROR|[Cc]orrupt|not found|trailing|does not|skipping'
    if sed 's/ payload: .*//' "$1" | grep -aE "$said" | head -20 >&2; then fail "kafka-dump-log complains"; fi
}

capture() {
    local proxy name codec
    read -r proxy < <(free_ports 1)
    KIND=kafka broker_start "$WORK/captured" "advertised.listeners=PLAINTEXT://127.0.0.1:$proxy"
    "$CACHE/bin/capture" -listen "127.0.0.1:$proxy" -broker "$BROKER" -out "$WORK/stream" \
        -topics load:3,kcat:1,perf:2 -config segment.bytes=1048576 >"$WORK/ready" &
    local capture=$!
    until [ -s "$WORK/ready" ]; do kill -0 $capture || fail "the capture ended"; sleep 0.1; done
    "$CACHE/bin/load" -broker "127.0.0.1:$proxy" -topic load -partitions 3 -mib "$mib" -seed 42 || fail "the captured load"
    for codec in none gzip snappy lz4 zstd; do
        seq 1 3000 | sed 's/.*/&:a value that kcat sends, number &/' |
            kcat -b "127.0.0.1:$proxy" -P -t kcat -K : -z $codec -H codec=$codec -X linger.ms=20 || fail "captured kcat"
        seq 1 100 | kcat -b "127.0.0.1:$proxy" -P -t kcat -X acks=0 -z $codec || fail "captured kcat, acks 0"
        java_run org.apache.kafka.tools.ProducerPerformance --bootstrap-server "127.0.0.1:$proxy" --topic perf --num-records 3000 --record-size 1000 \
            --throughput -1 --command-property compression.type=$codec >/dev/null || fail "captured perf test"
    done
    kill -TERM $capture
    wait $capture || fail "the capture"
    KIND=kafka broker_stop
    rm -rf "$WORK/captured"
}

replay() { # KIND DIRECTORY
    KIND=$1 broker_start "$WORK/$2"
    "$CACHE/bin/replay" -broker "$BROKER" -in "$WORK/stream" >"$WORK/$2.answers" || fail "the replay to $2"
    KIND=$1 broker_stop
}

capture
replay kafka reference
replay "$tested" tested
say "$(wc -l <"$WORK/reference.answers") answers to compare"
grep -q 'base offset' "$WORK/reference.answers" || fail "the stream holds nothing"
diff "$WORK/reference.answers" "$WORK/tested.answers" >"$WORK/diff" || { head -20 "$WORK/diff" >&2; fail "$(grep -c '^<' "$WORK/diff") answers differ"; }

logs=0
for path in "$WORK"/reference/data/{load,kcat,perf}-*/*.log; do
    other=$WORK/tested/data/${path#"$WORK/reference/data/"}
    cmp "$path" "$other" || fail "the files differ"
    logs=$((logs + 1))
done
for path in "$WORK"/tested/data/{load,kcat,perf}-*/*.log; do
    [ -f "$WORK/reference/data/${path#"$WORK/tested/data/"}" ] || fail "$path has no counterpart"
done
[ $logs -ge 15 ] || fail "only $logs segments: too few rolls"
say "$logs .log files are equal"

# kafka-dump-log over all files; each complaint it knows of, and any exception
files=$(find "$WORK/tested/data" \( -path '*/load-*' -o -path '*/kcat-*' -o -path '*/perf-*' \) \
    \( -name '*.log' -o -name '*.index' -o -name '*.timeindex' -o -name '*.snapshot' \) | sort | paste -sd,)
java_run kafka.tools.DumpLogSegments --deep-iteration --print-data-log --files "$files" >"$WORK/dump" 2>&1 || fail "kafka-dump-log"
refuse_complaints "$WORK/dump"
dumped=$(grep -c '^Dumping' "$WORK/dump")
records=$(grep -ac '^| offset' "$WORK/dump")
wanted=$(grep -E ' at -1: ' "$WORK/tested.answers" | sed 's/.*offset \([0-9]*\),.*/\1/' | awk '{n += $1} END {print n}')
[ "$records" = "$wanted" ] || fail "kafka-dump-log printed $records records of $wanted"
say "kafka-dump-log read $dumped files, $records records, without a complaint"
for path in "$WORK"/reference/data/{load,kcat,perf}-*/*.{index,timeindex}; do
    # A segment of one batch has no index entry, so that Kafka's own is the measure.
    [ ! -s "$path" ] || [ -s "$WORK/tested/data/${path#"$WORK/reference/data/"}" ] || fail "${path#"$WORK/reference/"} is empty or absent"
done

# the metadata log
java_run kafka.tools.DumpLogSegments --cluster-metadata-decoder --files "$(find "$WORK/tested/data/__cluster_metadata-0" -name '*.log' -o -name '*.checkpoint' | sort | paste -sd,)" \
    >"$WORK/metadata" 2>&1 || fail "kafka-dump-log --cluster-metadata-decoder"
refuse_complaints "$WORK/metadata"
for topic in load kcat perf; do grep -q "\"TOPIC_RECORD\".*\"name\":\"$topic\"" "$WORK/metadata" || fail "no TopicRecord of $topic in the metadata log"; done
for kind in FEATURE_LEVEL_RECORD REGISTER_BROKER_RECORD PARTITION_RECORD CONFIG_RECORD PRODUCER_IDS_RECORD; do
    grep -q "\"$kind\"" "$WORK/metadata" || [ $kind = PRODUCER_IDS_RECORD ] || fail "no $kind in the metadata log"
done
say "compare: all checks passed"
