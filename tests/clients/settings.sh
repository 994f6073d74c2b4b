#!/usr/bin/env bash
# Kafka 4.2's kafka-configs, kafka-topics --alter and kafka-client-metrics against the broker in $BROKER: settings of
# topics, of the broker, of all brokers, of groups and of client metrics are changed, shown and refused.
set -u
source "$(dirname "$0")/broker.sh"
work_dir settings
topic=settings-$$-$RANDOM
TOOLS=org.apache.kafka.tools
java_archive

run() {
    local main=$1
    shift
    java_run "$main" --bootstrap-server "$BROKER" "$@" >"$WORK/out" 2>"$WORK/err"
}
configs() { run kafka.admin.ConfigCommand "$@" || { cat "$WORK/out" "$WORK/err" >&2; fail "kafka-configs $*"; }; }
topics() { run $TOOLS.TopicCommand "$@" || { cat "$WORK/out" "$WORK/err" >&2; fail "kafka-topics $*"; }; }
metrics() { run $TOOLS.ClientMetricsCommand "$@" || { cat "$WORK/out" "$WORK/err" >&2; fail "kafka-client-metrics $*"; }; }
# told PATTERN: the last tool's output has a line like it; untold: it has none
told() { grep -qE "$1" "$WORK/out" || { cat "$WORK/out" >&2; fail "nothing like $1"; }; }
untold() { if grep -E "$1" "$WORK/out" >&2; then fail "something like $1"; fi; }
# refused PATTERN ARGUMENT...: kafka-configs --alter fails and says so
refused() {
    local words=$1
    shift
    run kafka.admin.ConfigCommand --alter "$@" && grep -qvE 'Completed' "$WORK/out" && fail "kafka-configs --alter $* was taken"
    cat "$WORK/out" "$WORK/err" >"$WORK/all"
    grep -qE "$words" "$WORK/all" || { head -5 "$WORK/all" >&2; fail "kafka-configs --alter $*: not refused with $words"; }
}

# a topic: more partitions, settings set, added to, taken back
topics --create --topic "$topic" --partitions 2 --replication-factor 1
topics --alter --topic "$topic" --partitions 5
topics --describe --topic "$topic"
told "PartitionCount: 5	ReplicationFactor: 1"
told "Partition: 4	Leader: 1	Replicas: 1	Isr: 1"
configs --alter --entity-type topics --entity-name "$topic" --add-config "cleanup.policy=[compact,delete],retention.ms=5000"
told "Completed updating config for topic $topic"
configs --describe --entity-type topics --entity-name "$topic"
told 'cleanup.policy=compact,delete sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, DEFAULT_CONFIG:log.cleanup.policy=delete\}'
told 'retention.ms=5000 '
configs --alter --entity-type topics --entity-name "$topic" --delete-config retention.ms
configs --describe --entity-type topics --entity-name "$topic"
untold 'retention.ms'
refused 'Unknown topic config name: retention' --entity-type topics --entity-name "$topic" --add-config retention=1
refused 'Invalid value x for configuration flush.ms: Not a number of type LONG' --entity-type topics --entity-name "$topic" --add-config flush.ms=x

# the broker and the defaults of all brokers
configs --alter --entity-type brokers --entity-default --add-config log.flush.interval.ms=7000
configs --alter --entity-type brokers --entity-name 1 --add-config log.flush.interval.ms=8000
configs --describe --entity-type brokers --entity-default
told 'log.flush.interval.ms=7000 sensitive=false synonyms=\{DYNAMIC_DEFAULT_BROKER_CONFIG:log.flush.interval.ms=7000\}'
configs --describe --entity-type brokers --entity-name 1
told 'log.flush.interval.ms=8000 sensitive=false synonyms=\{DYNAMIC_BROKER_CONFIG:log.flush.interval.ms=8000, DYNAMIC_DEFAULT_BROKER_CONFIG:log.flush.interval.ms=7000, DEFAULT_CONFIG:log.flush.scheduler.interval.ms=9223372036854775807\}'
configs --describe --all --entity-type topics --entity-name "$topic"
told 'flush.ms=8000 '
refused 'Cannot update these configs dynamically: Set\(num.partitions\)' --entity-type brokers --entity-name 1 --add-config num.partitions=3
configs --alter --entity-type brokers --entity-name 1 --delete-config log.flush.interval.ms
configs --describe --entity-type broker-loggers --entity-name 1
told 'root=(OFF|ERROR|WARN|INFO|DEBUG|TRACE) '

# groups and client metrics
configs --alter --entity-type groups --entity-name "$topic" --add-config consumer.session.timeout.ms=50000
configs --describe --entity-type groups --entity-name "$topic"
told 'consumer.session.timeout.ms=50000'
metrics --alter --name "$topic" --metrics org.apache.kafka. --interval 30000 --match client_id=a
metrics --list
told "^$topic\$"
metrics --describe --name "$topic"
told 'interval.ms=30000'
told 'match=client_id=a'
metrics --delete --name "$topic"
metrics --list
untold "^$topic\$"
say "settings: all checks passed"
