#!/usr/bin/env bash
# The Java producer, consumer and Admin (java/Matrix.java) against the broker in $BROKER.
set -u
source "$(dirname "$0")/broker.sh"
java -Xmx512m -XX:+UseSerialGC -Dlog4j2.configurationFile="$HERE/java/log4j2.xml" \
    -cp "$CACHE/classes:$CACHE/jars/*" Matrix "$BROKER" || fail "the Java matrix"
