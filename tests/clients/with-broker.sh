#!/usr/bin/env bash
# with-broker.sh [key=value...] -- COMMAND...: runs COMMAND beside a fresh broker of $KIND, whose address is
# in $BROKER, pid in $BROKER_PID and directory in $BROKER_DIR. The broker must live to the end and stop cleanly.
set -u
source "$(dirname "$0")/broker.sh"
work_dir broker
properties=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do properties+=("$1"); shift; done
shift
export BROKER_DIR=$WORK/broker
broker_start "$BROKER_DIR" "${properties[@]}"
"$@" || fail "$*"
broker_stop
