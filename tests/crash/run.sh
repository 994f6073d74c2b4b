#!/usr/bin/env bash
# run.sh [KILLS]: kill -9 of the broker under load, KILLS times (default 20), every other time at the very moment
# a segment rolls, and a restart on the same directory. Then:
#   - every record that was acknowledged is read at the offset it was acknowledged with;
#   - the idempotent producers, which live through all of it, left no duplicate and no gap;
#   - no producer id was handed out twice;
#   - the proof can fail: with one acknowledgement altered, or one invented, it does.
set -u
source "$(dirname "$0")/../clients/broker.sh"
kills=${1:-20}
: "${RATE:=6}" # MiB/s of each of the four producers
work_dir crash
load=$CACHE/bin/load
dir=$WORK/broker

broker_start "$dir"
"$load" -topic crash -mib 0 -rate "$RATE" -crashes -acks "$WORK/acks" -ids "$WORK/ids" \
    -config segment.bytes=1048576 -stall 120s 2>"$WORK/load.log" &
load_pid=$!

until [ -s "$WORK/ids" ]; do kill -0 $load_pid || fail "the load did not start"; sleep 0.1; done
sleep 2
for kill in $(seq 1 "$kills"); do
    sleep "1.$((RANDOM % 10))"
    kill -0 $load_pid 2>/dev/null || { tail "$WORK/load.log" >&2; fail "the load ended early"; }
    if [ $((kill % 2)) = 0 ]; then
        # Ends the broker itself, at the first new segment it sees.
        python3 "$(dirname "$0")/kill_at_roll.py" "$BROKER_PID" "$dir/data" 30 || fail "no segment rolled"
        gone
    else
        broker_kill
    fi
    broker_start "$dir"
    "$load" -producer-ids 3 >>"$WORK/ids" || fail "no producer id after kill $kill"
    say "kill $kill of $kills: back"
done

sleep 2
kill -TERM $load_pid
wait $load_pid || { tail -n 25 "$WORK/load.log" >&2; fail "the load found errors"; }
tail -n 2 "$WORK/load.log" >&2
repeated=$(sort "$WORK/ids" | uniq -d)
[ -z "$repeated" ] || fail "producer ids handed out twice: $repeated"
say "$(wc -l <"$WORK/ids") producer ids, all different; $(wc -l <"$WORK/acks") acknowledgements"

check() { "$load" -topic crash -crashes -verify "$1"; }
check "$WORK/acks" || fail "acknowledged records are not where they were acknowledged"
broker_stop
broker_start "$dir"
check "$WORK/acks" || fail "after a clean restart acknowledged records are not where they were acknowledged"

lines=$(wc -l <"$WORK/acks")
awk -v at=$((lines / 2)) 'NR == at {$4++} 1' "$WORK/acks" >"$WORK/altered"
{ cat "$WORK/acks"; echo "0 99999999 0 0"; } >"$WORK/invented"
for doctored in altered invented; do
    if check "$WORK/$doctored" 2>/dev/null; then fail "the check did not see that a record was $doctored"; fi
done
broker_stop
say "crash: $kills kills, all checks passed"
