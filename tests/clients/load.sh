#!/usr/bin/env bash
# load.sh MIB [SHARDS...]: the load (go/cmd/load) on a fresh broker for each number of shards; afterwards
# every acknowledged record is read again at its offset.
set -u
source "$(dirname "$0")/broker.sh"
mib=$1
shift
work_dir load
for SHARDS in "${@:-}"; do
    broker_start "$WORK/shards-$SHARDS" log.segment.bytes=67108864
    say "load of $mib MiB, shards: ${SHARDS:-default}"
    "$CACHE/bin/load" -topic load -mib "$mib" -acks "$WORK/acks" || fail "the load"
    "$CACHE/bin/load" -topic load -verify "$WORK/acks" || fail "acknowledged records differ"
    broker_stop
    rm -rf "$WORK/shards-$SHARDS/data"
done
