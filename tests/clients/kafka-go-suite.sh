#!/usr/bin/env bash
# kafka-go-suite.sh: kafka-go's own tests, of the version in go/go.mod, against a broker under test. The module comes through
# the Go module proxy, its sum held against go.sum. Which of its tests fail, and why, is in kafka-go-suite.md; what fails
# beyond that is run once more, alone, for kafka-go's tests race with time; then it fails the suite.
set -u
source "$(dirname "$0")/broker.sh"
work_dir kafka-go-suite
module=github.com/segmentio/kafka-go
(cd "$HERE/go" && go mod download $module) || fail "the module cannot be fetched"
cp -r "$(cd "$HERE/go" && go list -m -f '{{.Dir}}' $module)" "$WORK/kafka-go" && chmod -R u+w "$WORK/kafka-go" || fail "the module cannot be copied"

# The tests ask localhost:9092, in which the port is also kafka-go's own default, and expect to be told of a broker at that name.
mkdir -p "$WORK/broker/data"
read -r port controller < <(free_ports 2)
echo "$port" >"$WORK/broker/port"
{
    kafka_properties "$WORK/broker" "$port" "$controller" | sed '/^advertised.listeners=/s/127.0.0.1/localhost/'
    printf '%s\n' message.max.bytes=200000000 group.initial.rebalance.delay.ms=0 offsets.topic.num.partitions=5
} >"$WORK/broker/server.properties"
if [ "$KIND" = kafka ]; then kafka_format "$WORK/broker/server.properties"; fi
PROPERTIES=1 broker_start "$WORK/broker"
find "$WORK/kafka-go" -name '*.go' -exec sed -i "s/\b9092\b/$port/g" {} +

# These end their whole package: getOffsets, by which they look up what was committed, calls a function that is nil.
broken='^TestReaderConsumerGroup$/^(verify_offset_committed|verify_offset_committed_when_using_interval_committer|consumer_group_commits_on_close)$'

# run OUT [PATTERN]: the tests, told as JSON. That some fail is for the comparison to judge.
run() {
    (cd "$WORK/kafka-go" && KAFKA_VERSION=4.2.0 KAFKA_SKIP_NETTEST=1 go test -mod=mod -count=1 -p 1 -vet=off -timeout 15m -json -skip "$broken" ${2:+-run "$2"} ./...) \
        >"$WORK/$1" 2>"$WORK/$1.err"
}
judge() { python3 "$HERE/python/kafka_go_suite.py" "$HERE/kafka-go-suite.md" "$KIND" "$@"; }
run first
again=$(judge --again "$WORK/first")
if [ -n "$again" ]; then
    run second "$again"
    judge "$WORK/first" "$WORK/second" || fail "kafka-go's own tests"
else
    judge "$WORK/first" || fail "kafka-go's own tests"
fi
broker_stop
