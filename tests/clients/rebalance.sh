#!/usr/bin/env bash
# rebalance.sh [MEMBERS [PARTITIONS [ROUNDS]]]: how long a group stands still when a member joins or leaves (java/Rebalance.java),
# by the classic protocol, eager and cooperative, and by the consumer protocol; by Apache Kafka and then by the broker under
# test, one after the other. Heartbeats come every second with each. It fails where the broker under test lets a group stand
# still for more than a second longer than Apache Kafka.
set -u -o pipefail
source "$(dirname "$0")/broker.sh"
work_dir rebalance
tested=$KIND
for side in kafka tested; do
    if [ $side = kafka ]; then KIND=kafka; else KIND=$tested; fi
    broker_start "$WORK/$side" group.initial.rebalance.delay.ms=1000 offsets.topic.num.partitions=5 \
        group.consumer.min.heartbeat.interval.ms=500 group.consumer.heartbeat.interval.ms=1000
    java -Xmx1g -XX:+UseSerialGC -Dlog4j2.configurationFile="$HERE/java/log4j2.xml" -cp "$CACHE/classes:$CACHE/jars/*" \
        Rebalance "$BROKER" $side "${1:-20}" "${2:-100}" "${3:-3}" >>"$WORK/figures" || fail "the rebalances of $side"
    broker_stop
done
awk -F '\t' -v tested="$tested" '
    BEGIN { print "pauses in ms, the median of the rounds\nbroker      protocol               event  group  partition: mean  longest  paused  settled after" }
    { printf "%-11s %-22s %-6s %5d %16d %8d %7d %14d\n", $1 == "tested" ? tested : $1, $2, $3, $4, $5, $6, $7, $8 }
    $1 == "kafka" { kafka[$2, $3] = $4; longest[$2, $3] = $6 }
    $1 == "tested" && ($4 > kafka[$2, $3] + 1000 || $6 > longest[$2, $3] + 1000) { worse = worse "\n" $2 ", " $3 }
    END { if (worse) { print "longer than by Apache Kafka:" worse; exit 1 } }' "$WORK/figures" || fail "pauses are longer than by Apache Kafka"
