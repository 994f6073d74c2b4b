#!/usr/bin/env bash
# Millstream's own command line against the broker in $BROKER, with kcat as its counterpart: partitions of keys,
# every codec both ways, headers and nulls, administration, groups, and the broker's files in $BROKER_DIR.
set -u -o pipefail
source "$(dirname "$0")/broker.sh"
work_dir cli
[ -x "$MILLSTREAM" ] || (cd "$ROOT" && cargo build --release --locked) >&2 || { say "no millstream to run"; exit 3; }
topic=cli-$$-$RANDOM

cli() { "$MILLSTREAM" "$@"; }
kcat_() { kcat -b "$BROKER" -q "$@"; }
export MILLSTREAM_BOOTSTRAP_SERVER=$BROKER
# same WHAT EXPECTED GOT
same() { [ "$2" = "$3" ] || fail "$1: expected $(head -c 300 <<<"$2"), got $(head -c 300 <<<"$3")"; }
# create TOPIC PARTITIONS [OPTION...]
create() { cli topics create "$1" -p "$2" "${@:3}" >"$WORK/created" || fail "create $1"; }
# partitions TOPIC: key and partition of every record, by kcat
partitions() { kcat_ -C -t "$1" -o beginning -e -f '%k %p\n' | sort; }

# a key goes where librdkafka sends it
seq 1 500 | sed 's/.*/key-&:&/' >"$WORK/keys"
for pair in murmur2:murmur2_random crc32:consistent_random fnv1a:fnv1a_random; do
    ours=$topic-${pair%:*}-ours theirs=$topic-${pair%:*}-theirs
    create "$ours" 7
    create "$theirs" 7
    cli produce "$ours" -q -K : --partitioner "${pair%:*}" "$WORK/keys" || fail "produce with $pair"
    kcat_ -P -t "$theirs" -K : -X "topic.partitioner=${pair#*:}" -l "$WORK/keys" || fail "kcat with $pair"
    partitions "$ours" >"$WORK/ours"
    partitions "$theirs" | cmp - "$WORK/ours" || fail "$pair: keys go elsewhere"
    [ "$(wc -l <"$WORK/ours")" = 500 ] || fail "$pair: not every key arrived"
done

# every codec and acks, both ways
seq 1 2000 | sed 's/.*/the value of &, which repeats the value of &/' >"$WORK/lines"
for codec in none gzip snappy lz4 zstd; do
    create "$topic-$codec" 1
    cli produce "$topic-$codec" -q -z $codec "$WORK/lines" || fail "produce in $codec"
    kcat_ -P -t "$topic-$codec" -z $codec -l "$WORK/lines" || fail "kcat in $codec"
    cat "$WORK/lines" "$WORK/lines" >"$WORK/twice"
    kcat_ -C -t "$topic-$codec" -o beginning -e | cmp - "$WORK/twice" || fail "$codec: kcat reads something else"
    cli consume "$topic-$codec" -e | cmp - "$WORK/twice" || fail "$codec: consume reads something else"
done
for acks in 0 1 all; do
    create "$topic-acks-$acks" 1
    cli produce "$topic-acks-$acks" -q --acks $acks "$WORK/lines" || fail "produce with acks $acks"
    cli consume "$topic-acks-$acks" -n 2000 | cmp - "$WORK/lines" || fail "acks $acks: the lines differ"
done

# headers, keys and nulls, both ways
create "$topic-headers" 1
cli produce "$topic-headers" -q -K : --null NIL -H a=1 <<<$'key:value\nkey:NIL\nplain' || fail "produce headers"
same "headers by kcat" $'3:key 5:value a=1\n3:key -1: a=1\n-1: 5:plain a=1' \
    "$(kcat_ -C -t "$topic-headers" -o beginning -e -f '%K:%k %S:%s %h\n')"
kcat_ -P -t "$topic-headers" -K : -Z -H b= -H c <<<$'key:' || fail "kcat with headers"
same "headers of kcat" $'key=NIL b=,c=NIL' "$(cli consume "$topic-headers" -e -o 3 --null NIL -f '%k=%s %h\n')"

# administration
create "$topic-admin" 1 -c segment.bytes=1048576 -c retention.ms=-1
seq 1 10 | cli produce "$topic-admin" -q || fail "produce to $topic-admin"
same "more partitions" "'$topic-admin' has 2 partitions" "$(cli topics alter "$topic-admin" -p 2)"
cli topics delete-records "$topic-admin" -p 0 --before 4 >/dev/null || fail "delete-records"
same "what is left" "5 6 7 8 9 10" "$(cli consume "$topic-admin" -e | paste -sd' ')"
same "offsets" "0 4 10 6 1 0 0 0" \
    "$(cli topics offsets "$topic-admin" | awk 'NR > 1 { print $2, $3, $4, $5 }' | paste -sd' ')"
same "a property" "1048576 topic" \
    "$(cli configs describe topic "$topic-admin" | awk '$1 == "segment.bytes" { print $2, $3 }')"
cli configs alter topic "$topic-admin" --set segment.ms=60000 --append cleanup.policy=compact >/dev/null || fail "alter"
cli configs alter topic "$topic-admin" --subtract cleanup.policy=delete --delete segment.bytes >/dev/null || fail "alter"
same "properties altered" "cleanup.policy=compact retention.ms=-1 segment.ms=60000" \
    "$(cli configs describe topic "$topic-admin" | awk '$3 == "topic" { print $1 "=" $2 }' | paste -sd' ')"
cli topics create "$topic-admin" >/dev/null 2>&1 && fail "a topic was created twice"
cli topics delete "$topic-admin" >/dev/null || fail "delete"
cli consume "$topic-admin" -e >/dev/null 2>&1 && fail "a topic that was deleted is read"
for command in "cluster describe" "cluster api-versions" "cluster features" "cluster log-dirs" "cluster quorum" "topics list" "groups list"; do
    # shellcheck disable=SC2086
    cli $command --json | python3 -c 'import json,sys; assert json.load(sys.stdin)' || fail "$command as JSON"
done

# groups: kcat goes on where we have come to, and we where kcat has; then they begin elsewhere
create "$topic-group" 1
seq 1 20 | cli produce "$topic-group" -q || fail "produce for the groups"
grouped() { timeout 60 kcat -b "$BROKER" -q -u -G "$topic-$1" -X auto.offset.reset=earliest -c "$2" "$topic-group" || fail "kcat in group $1"; }
# position GROUP: committed, end, lag
position() { cli groups describe "$topic-$1" | awk 'NR > 1 { print $4, $5, $6 }' | paste -sd' '; }
same "we begin" "1 2 3 4" "$(cli consume "$topic-group" -g "$topic-g" --group-protocol classic -n 4 | paste -sd' ')"
same "where we are" "4 20 16" "$(position g)"
cli groups describe "$topic-g" | awk 'NR == 2 && $7 ~ /^[0-9]+(\.[0-9])?$/ { found = 1 } END { exit !found }' || fail "nobody knows how long the group is behind"
same "kcat goes on" "5 6 7" "$(grouped g 3 | paste -sd' ')"
same "where kcat is" "7 20 13" "$(position g)"
same "we go on to the end" "$(seq 8 20 | paste -sd' ')" "$(cli consume "$topic-group" -g "$topic-g" --group-protocol classic -e | paste -sd' ')"
same "a dry run" "20 18" "$(cli groups reset "$topic-g" --all-topics --shift-by -2 | awk 'NR == 2 { print $4, $5 }')"
same "it changed nothing" "20 20 0" "$(position g)"
cli groups reset "$topic-g" --topic "$topic-group:0" --shift-by -2 --execute >/dev/null || fail "reset"
same "what comes again" "19 20" "$(grouped g 2 | paste -sd' ')"
same "a plan" "$topic-group,0,0" "$(cli groups reset "$topic-g" --all-topics --to-earliest --export)"
same "the state" "Empty" "$(cli groups list | awk -v group="$topic-g" '$1 == group { print $3 }')"
same "KIP-848" "1 2 3" "$(cli consume "$topic-group" -g "$topic-k" --group-protocol consumer -n 3 | paste -sd' ')"
same "its type" "consumer" "$(cli groups describe --state "$topic-k" | awk 'NR == 2 { print $3 }')"
same "where it is" "3 20 17" "$(position k)"
cli groups delete "$topic-g" "$topic-k" >/dev/null || fail "groups delete"
cli groups describe "$topic-g" >/dev/null 2>&1 && fail "a group that was deleted is described"

# the broker's files, as it left them
cli log verify "$BROKER_DIR/data" >"$WORK/verified" || { cat "$WORK/verified" >&2; fail "log verify"; }
cli log dump --records --json "$BROKER_DIR/data" >"$WORK/dumped" || fail "log dump"
grep -q '"key":"key-500"' "$WORK/dumped" || fail "log dump lacks a record"
say "the command line: $(tail -1 "$WORK/verified")"
