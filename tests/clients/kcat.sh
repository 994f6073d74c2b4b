#!/usr/bin/env bash
# kcat against the broker in $BROKER: metadata, every codec, headers, keys, nulls, offsets, times, a group.
set -u
source "$(dirname "$0")/broker.sh"
work_dir kcat
topic=kcat-$$-$RANDOM

kcat_() { kcat -b "$BROKER" -q "$@"; }
# same WHAT EXPECTED GOT
same() { [ "$2" = "$3" ] || fail "$1: expected $(head -c 300 <<<"$2"), got $(head -c 300 <<<"$3")"; }

# a first message makes the topic
kcat_ -P -t "$topic" <<<first || fail "produce"
same "the first message" first "$(kcat_ -C -t "$topic" -p 0 -o beginning -e)"

# metadata: the broker, the topic, its partition and leader
listing=$(kcat_ -L -t "$topic") || fail "metadata"
grep -q "topic \"$topic\" with 1 partitions" <<<"$listing" || fail "metadata without the topic: $listing"
grep -q 'partition 0, leader 1, replicas: 1, isrs: 1' <<<"$listing" || fail "metadata without a leader: $listing"
kcat_ -L -J | python3 -c 'import json,sys; assert json.load(sys.stdin)["brokers"]' || fail "metadata as JSON"

# every codec: 2,000 lines and a record of 900 kB
seq 1 2000 | sed 's/.*/&:the value of &, which repeats the value of &/' >"$WORK/lines"
head -c 675000 /dev/urandom | base64 -w 0 >"$WORK/large"
for codec in none gzip snappy lz4 zstd; do
    kcat_ -P -t "$topic-$codec" -K : -z $codec -X linger.ms=20 -l "$WORK/lines" || fail "produce in $codec"
    kcat_ -P -t "$topic-$codec" -z $codec "$WORK/large" || fail "produce the large record in $codec"
    kcat_ -C -t "$topic-$codec" -o beginning -c 2000 -K : | cmp - "$WORK/lines" || fail "$codec: the lines differ"
    kcat_ -C -t "$topic-$codec" -p 0 -o 2000 -e -D '' | cmp - "$WORK/large" || fail "$codec: the large record differs"
    kcat_ -C -t "$topic-$codec" -p 0 -o 1500 -c 3 -f '%o\n' >"$WORK/offsets" || fail "$codec: consume from 1500"
    same "$codec: offsets" "1500 1501 1502" "$(paste -sd' ' "$WORK/offsets")"
    same "$codec: the last two" "1999 2000" "$(kcat_ -C -t "$topic-$codec" -p 0 -o -2 -e -f '%o\n' | paste -sd' ')"
done

# acks 0 and 1, and the idempotent producer
for setting in acks=0 acks=1 enable.idempotence=true; do
    name=$topic-${setting//=/-}
    kcat_ -P -t "$name" -X "$setting" -l "$WORK/lines" || fail "produce with $setting"
    kcat_ -C -t "$name" -o beginning -c 2000 | cmp - "$WORK/lines" || fail "$setting: the lines differ"
done

# headers, keys, nulls
kcat_ -P -t "$topic-headers" -K : -Z -H a=1 -H b= -H c <<<$'key:value\nkey:\n:value' || fail "produce headers"
same "headers" $'3:key 5:value a=1,b=,c=NULL\n3:key -1: a=1,b=,c=NULL\n-1: 5:value a=1,b=,c=NULL' \
    "$(kcat_ -C -t "$topic-headers" -o beginning -e -f '%K:%k %S:%s %h\n')"

# times: -Q looks an offset up, consumption starts and ends at times
before=$(date +%s%3N)
kcat_ -P -t "$topic-times" <<<early
sleep 0.01
middle=$(date +%s%3N)
kcat_ -P -t "$topic-times" <<<late
same "-Q before all" "$topic-times [0] offset 0" "$(kcat_ -Q -t "$topic-times:0:$before")"
same "-Q in the middle" "$topic-times [0] offset 1" "$(kcat_ -Q -t "$topic-times:0:$middle")"
same "-Q latest" "$topic-times [0] offset 2" "$(kcat_ -Q -t "$topic-times:0:-1")"
same "-Q earliest" "$topic-times [0] offset 0" "$(kcat_ -Q -t "$topic-times:0:-2")"
same "from a time on" late "$(kcat_ -C -t "$topic-times" -o "s@$middle" -e)"

# a consumer at the end gets what comes
timeout 20 kcat -b "$BROKER" -q -u -C -t "$topic-times" -p 0 -o end -c 1 >"$WORK/tail" &
waiting=$!
sleep 1
kcat_ -P -t "$topic-times" <<<later
wait $waiting || fail "the consumer at the end got nothing"
same "the tail" later "$(cat "$WORK/tail")"

# a group: who comes later goes on where the other stopped
grouped() { timeout 40 kcat -b "$BROKER" -q -u -G "$topic" -X auto.offset.reset=earliest -K : "$@" "$topic-group" || fail "a member of a group: $*"; }
kcat_ -P -t "$topic-group" -K : -l "$WORK/lines" || fail "produce for the group"
{ grouped -c 500; grouped -c 1500; } | cmp - "$WORK/lines" || fail "the group read otherwise"

# an offset beyond the end resets as asked
same "out of range" early "$(kcat_ -C -t "$topic-times" -p 0 -o 999999 -X auto.offset.reset=earliest -c 1)"
say "kcat: all checks passed"
