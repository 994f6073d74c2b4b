# Starts and stops the broker under test. Sourced by the suites; with-broker.sh wraps it for one command.
#
#   KIND         millstream (default) or kafka: Apache Kafka 4.2.0, by which each suite proves itself
#   MILLSTREAM   the binary (default target/release/millstream)
#   CACHE        where the clients' packages are kept (default target/clients; setup.sh fills it)
#
# A broker is known by its directory: DIR/data holds its log directory, DIR/broker.log what it said.
# Everything a suite makes lies under $WORK, which is removed at exit (kept, and named, after a failure
# when KEEP=1). Brokers are ended by their pid and by nothing else.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
: "${KIND:=millstream}"
: "${MILLSTREAM:=$ROOT/target/release/millstream}"
: "${CACHE:=$ROOT/target/clients}"
: "${BROKER_START_SECONDS:=60}"
BROKER_PIDS=()

say() { printf '%s\n' "$*" >&2; }
fail() { say "FAILED: $*"; exit 1; }

# work_dir NAME: makes $WORK and has it cleared, with every broker that still runs, when the suite ends.
work_dir() {
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/millstream-$1.XXXXXX")
    trap 'leave $?' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

leave() {
    local pid
    for pid in "${BROKER_PIDS[@]}" $(jobs -p); do
        kill -9 "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    if [ "$1" != 0 ]; then
        local log
        for log in "$WORK"/*/broker.log; do
            [ -s "$log" ] && { say "--- the end of $log"; tail -n "${LOG_LINES:-15}" "$log" >&2; }
        done
        [ "${KEEP:-}" = 1 ] && { say "kept: $WORK"; return; }
    fi
    rm -rf "$WORK"
}

# free_ports N: ports below the range from which the kernel serves outgoing connections, so that none of those takes one.
free_ports() {
    python3 - "$1" <<'PY'
import random, socket, sys
held = []
while len(held) < int(sys.argv[1]):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", random.randrange(15000, 32000)))
        held.append(s)
    except OSError:
        s.close()
print(*[s.getsockname()[1] for s in held])
PY
}

# java_run MAIN ARGUMENT...: one of Kafka's own programs, by its main class. The classes that the first run of
# a tool loads are kept in an archive (java_archive), which halves the start of each later one.
java_run() {
    local archive=()
    [ -s "$CACHE/tools.jsa" ] && archive=(-XX:SharedArchiveFile="$CACHE/tools.jsa")
    # shellcheck disable=SC2086
    ${EXEC:-} java ${JAVA_OPTS:--Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 ${archive[@]+"${archive[@]}"}} \
        -Xlog:disable -Xlog:all=error:stderr \
        -Dlog4j2.configurationFile="$HERE/java/log4j2.xml" -cp "$CACHE/jars/*" "$@"
}

java_archive() {
    [ -s "$CACHE/tools.jsa" ] || JAVA_OPTS="-Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ArchiveClassesAtExit=$CACHE/tools.jsa" \
        java_run org.apache.kafka.tools.TopicCommand --bootstrap-server "$BROKER" --list >/dev/null 2>&1
}

# kafka_properties DIR PORT CONTROLLER_PORT: Kafka's sample configuration of combined roles, with our ports and paths.
kafka_properties() {
    sed -e "s|@DIR@|$1|; s|@PORT@|$2|g; s|@CONTROLLER@|$3|g" "$HERE/java/server.properties"
}

# kafka_format PROPERTIES: what `kafka-storage format --standalone` does.
kafka_format() {
    java_run kafka.tools.StorageTool format --standalone -t "$(java_run kafka.tools.StorageTool random-uuid 2>/dev/null)" \
        -c "$1" >/dev/null 2>&1 || fail "cannot format the storage of $1"
}

# broker_start DIR [key=value...]: starts a broker of $KIND on DIR (again, if it was there before) and waits
# until it accepts. Sets BROKER (host:port) and BROKER_PID. A DIR keeps its port and first properties.
broker_start() {
    local dir=$1 port pair
    shift
    mkdir -p "$dir/data"
    if [ ! -f "$dir/server.properties" ]; then
        read -r port controller < <(free_ports 2)
        echo "$port" >"$dir/port"
        { kafka_properties "$dir" "$port" "$controller"; printf '%s\n' "$@"; } >"$dir/server.properties"
        if [ "$KIND" = kafka ]; then kafka_format "$dir/server.properties"; fi
    fi
    port=$(<"$dir/port")
    if [ "$KIND" = kafka ]; then
        # exec: the pid must be the JVM's, not that of a shell around it.
        EXEC=exec JAVA_OPTS="${KAFKA_HEAP:--Xms256m -Xmx768m} -XX:+UseG1GC" java_run kafka.Kafka "$dir/server.properties" \
            >>"$dir/broker.log" 2>&1 &
    elif [ "${PROPERTIES:-}" = 1 ]; then
        "$MILLSTREAM" serve "$dir/server.properties" --override millstream.metrics.listener= >>"$dir/broker.log" 2>&1 &
    else
        local overrides=()
        for pair in "listeners=PLAINTEXT://127.0.0.1:$port" "log.dirs=$dir/data" "node.id=1" "millstream.metrics.listener=" "$@" ${SHARDS:+num.shards=$SHARDS}; do
            overrides+=(--override "$pair")
        done
        "$MILLSTREAM" serve "${overrides[@]}" >>"$dir/broker.log" 2>&1 &
    fi
    BROKER_PID=$!
    BROKER_PIDS+=("$BROKER_PID")
    BROKER=127.0.0.1:$port
    export BROKER BROKER_PID
    broker_wait "$port"
}

broker_wait() {
    local tries=$((BROKER_START_SECONDS * 20))
    while ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        kill -0 "$BROKER_PID" 2>/dev/null || fail "the broker ended while it started"
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "the broker did not listen on port $1 within $BROKER_START_SECONDS s"
        sleep 0.05
    done
}

# broker_stop: SIGTERM, and a clean end within 30 seconds. The log must hold no panic.
broker_stop() {
    local tries=600 status
    kill -TERM "$BROKER_PID" || fail "the broker died on the way"
    while kill -0 "$BROKER_PID" 2>/dev/null; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "the broker did not stop within 30 s of SIGTERM"
        sleep 0.05
    done
    wait "$BROKER_PID"
    status=$?
    forget "$BROKER_PID"
    nobody_listens
    # A JVM that ends on SIGTERM says 143.
    [ $status = 0 ] || [ "$KIND $status" = "kafka 143" ] || fail "the broker ended with status $status"
}

# broker_kill: kill -9, as a crash of the process is.
broker_kill() {
    kill -9 "$BROKER_PID" 2>/dev/null || fail "the broker was dead before it was killed"
    gone
}

# gone: the broker was killed; wait for its end.
gone() {
    wait "$BROKER_PID" 2>/dev/null
    forget "$BROKER_PID"
    nobody_listens
}

# nobody_listens: the port is free again. A moment may pass: the kernel takes a killed process's ring, and with it
# the sockets of operations in flight, apart after the process is gone.
nobody_listens() {
    local tries=100
    while (exec 3<>"/dev/tcp/${BROKER/:/\/}") 2>/dev/null; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "the broker is gone, yet something listens on $BROKER"
        sleep 0.02
    done
    [ $tries = 100 ] || say "the port was free $(((100 - tries) * 20)) ms after the end"
}

forget() {
    local kept=() pid
    for pid in "${BROKER_PIDS[@]}"; do [ "$pid" = "$1" ] || kept+=("$pid"); done
    BROKER_PIDS=("${kept[@]}")
}
