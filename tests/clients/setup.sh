#!/usr/bin/env bash
# setup.sh go|kcat|python|java...: installs what these suites need, each version pinned:
# Go modules by go.sum, Python wheels by their hashes, jars by jars.sha256. Exits 3 where a toolchain
# is missing and cannot be installed.
set -u
source "$(dirname "$0")/broker.sh"

# need COMMAND PACKAGE: the command, installed through apt where it is absent and we may.
need() {
    command -v "$1" >/dev/null && return
    say "installing $2"
    { [ "$(id -u)" = 0 ] && { apt-get install -y -qq "$2" || { apt-get update -qq && apt-get install -y -qq "$2"; }; } >/dev/null 2>&1; }
    command -v "$1" >/dev/null || { say "no $1, and no way to install $2"; exit 3; }
}

setup_go() {
    command -v go >/dev/null || need go golang-go
    mkdir -p "$CACHE/bin"
    (cd "$HERE/go" && go mod verify >/dev/null && go build -o "$CACHE/bin/" ./cmd/... && go vet ./...) || exit 1
}

setup_kcat() { need kcat kcat; }

setup_python() {
    need python3 python3
    local wanted=$HERE/python/requirements.txt
    cmp -s "$wanted" "$CACHE/venv/requirements.txt" && return
    rm -rf "$CACHE/venv"
    python3 -m venv "$CACHE/venv" || { need pip3 python3-venv && python3 -m venv "$CACHE/venv"; } || exit 1
    "$CACHE/venv/bin/pip" install -q --require-hashes -r "$wanted" || exit 1
    cp "$wanted" "$CACHE/venv/"
}

setup_java() {
    need java openjdk-17-jdk-headless
    need javac openjdk-17-jdk-headless
    need mvn maven
    if ! (cd "$CACHE/jars" 2>/dev/null && sha256sum --quiet -c "$HERE/java/jars.sha256") 2>/dev/null; then
        rm -rf "$CACHE/jars" "$CACHE/tools.jsa"
        mvn -q -B -f "$HERE/java/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
            -DoutputDirectory="$CACHE/jars" >&2 || exit 1
        (cd "$CACHE/jars" && sha256sum --quiet -c "$HERE/java/jars.sha256") || fail "the jars are not the pinned ones"
    fi
    local sources=("$HERE"/java/*.java)
    [ -e "${sources[0]}" ] || return 0
    javac -Xlint:all -Werror -cp "$CACHE/jars/kafka-clients-4.2.0.jar" -d "$CACHE/classes" "${sources[@]}" || exit 1
}

mkdir -p "$CACHE"
for kind in "$@"; do "setup_$kind"; done
