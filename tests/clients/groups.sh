#!/usr/bin/env bash
# groups.sh CLIENT [SCENARIO|STRATEGY...]: the members of groups that python/groups.py has of this client, beside a fresh
# broker whose sessions may be short. Without a client: their names.
set -u
source "$(dirname "$0")/broker.sh"
[ $# -gt 0 ] || { sed -n 's/^    client("\([^"]*\)".*/\1/p' "$HERE/python/groups.py"; exit 0; }
work_dir groups
export WORK CACHE KIND
settings=(group.min.session.timeout.ms=500 group.initial.rebalance.delay.ms=300
    group.consumer.min.session.timeout.ms=1000 group.consumer.session.timeout.ms=4000
    group.consumer.min.heartbeat.interval.ms=100 group.consumer.heartbeat.interval.ms=400 offsets.topic.num.partitions=5)
broker_start "$WORK/broker" "${settings[@]}"
"$CACHE/venv/bin/python" "$HERE/python/groups.py" "$@" &
driver=$!
while kill -0 $driver 2>/dev/null; do
    # A scenario asks for the broker to be killed and started again by this file, and waits until it is gone.
    if [ -e "$WORK/crash" ]; then
        broker_kill
        broker_start "$WORK/broker" "${settings[@]}"
        rm "$WORK/crash"
    fi
    sleep 0.1
done
wait $driver || fail "groups of $1"
broker_stop
