#!/usr/bin/env bash
# hostile.sh [SECONDS]: hostile bytes (go/cmd/hostile) against a broker under a memory limit of 512 MiB (cgroup v1).
# Where no memory cgroup can be made, the peak of its resident memory is held against the limit instead.
# Apache Kafka, which keeps a buffer of the announced size for each connection, dies of this in 512 MiB; it gets 4 GiB
# and may slow down.
set -u
source "$(dirname "$0")/broker.sh"
seconds=${1:-20}
limit=$((512 << 20))
work_dir hostile
factor=2
if [ "$KIND" = kafka ]; then
    export KAFKA_HEAP="-Xms256m -Xmx3g"
    limit=$((4 << 30)) factor=0
fi

cgroup=/sys/fs/cgroup/memory/millstream-hostile-$$
if mkdir "$cgroup" 2>/dev/null && echo $limit >"$cgroup/memory.limit_in_bytes"; then
    trap 'status=$?; leave $status; rmdir "$cgroup"' EXIT
    own=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
    echo $$ >"$cgroup/cgroup.procs" # the broker is born in it
    broker_start "$WORK/broker"
    echo $$ >"/sys/fs/cgroup/memory$own/cgroup.procs"
    grep -qx "$BROKER_PID" "$cgroup/cgroup.procs" || fail "the broker is not in its cgroup"
else
    cgroup=
    say "no memory cgroup can be made here: only the resident memory is watched"
    broker_start "$WORK/broker"
fi

"$CACHE/bin/hostile" -seconds "$seconds" -factor $factor || fail "hostile bytes"
kill -0 "$BROKER_PID" 2>/dev/null || fail "the broker died"
peak=$(($(awk '/VmHWM/ {print $2}' "/proc/$BROKER_PID/status") << 10))
say "peak resident memory $((peak >> 20)) MiB; open files $(ls "/proc/$BROKER_PID/fd" | wc -l)"
[ $peak -le $limit ] || fail "the broker used $((peak >> 20)) MiB"
if [ -n "$cgroup" ]; then
    say "the cgroup's peak $(($(<"$cgroup/memory.max_usage_in_bytes") >> 20)) MiB, page cache included; $(grep -h 'oom_kill ' "$cgroup/memory.oom_control")"
    [ "$(awk '/^oom_kill /{print $2}' "$cgroup/memory.oom_control")" = 0 ] || fail "the kernel killed something for its memory"
fi
broker_stop
! grep -E 'panicked|panic' "$WORK/broker/broker.log" >&2 || fail "a panic"
say "hostile bytes: all checks passed"
