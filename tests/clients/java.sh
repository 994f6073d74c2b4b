#!/usr/bin/env bash
# java.sh [VERSION]: the Java producer, consumer and Admin (java/Matrix.java) against the broker in $BROKER, whose directory
# is $BROKER_DIR, with the clients of that version of java/versions.sha256; without one, with Apache Kafka's own.
set -u
source "$(dirname "$0")/broker.sh"
jars=$CACHE/jars
[ $# = 0 ] || jars=$CACHE/java-versions/$1
# The old ones say that nobody takes their log lines.
java -Xmx512m -XX:+UseSerialGC -Dlog4j2.configurationFile="$HERE/java/log4j2.xml" \
    -cp "$CACHE/classes:$jars/*" Matrix "$BROKER" "$BROKER_DIR" 2> >(grep -v '^SLF4J' >&2) || fail "the Java matrix"
