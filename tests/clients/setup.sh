#!/usr/bin/env bash
# setup.sh go|go-oldest|kcat|valgrind|python|python-older|python-oldest|node|java|java-versions...: installs what these suites need,
# each version pinned: Go modules by go.sum, Python packages by their hashes, Node's by package-lock.json, jars by *.sha256. Exits 3 where a toolchain is missing and cannot be installed.
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

# The oldest Go clients, by oldest.mod. One of them has a zstd in C.
setup_go_oldest() {
    setup_go
    need cc gcc
    (cd "$HERE/go" && go vet -modfile=oldest.mod -tags oldest ./kafkago03 ./sarama) || exit 1
}

setup_kcat() { need kcat kcat; }

setup_valgrind() { need valgrind valgrind; }

# interpreter VERSION: the Python of that version, of the system or of pyenv.
interpreter() {
    local found
    for found in python3 "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python3; do
        [ "$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$1" ] && { echo "$found"; return; }
    done
    return 1
}

# virtual_environment NAME PYTHON REQUIREMENTS: made anew when the requirements have changed.
virtual_environment() {
    local at=$CACHE/$1 python=$2 wanted=$HERE/python/$3
    cmp -s "$wanted" "$at/requirements.txt" && return
    rm -rf "$at"
    "$python" -m venv "$at" || { need pip3 python3-venv && "$python" -m venv "$at"; } || exit 1
    "$at/bin/pip" install -q --disable-pip-version-check --require-hashes -r "$wanted" || exit 1
    cp "$wanted" "$at/requirements.txt"
}

setup_python() {
    need python3 python3
    virtual_environment venv python3 requirements.txt
}

setup_python_older() {
    local python
    python=$(interpreter 3.11) || { say "no Python 3.11, for which the older clients are pinned"; exit 3; }
    setup_python
    virtual_environment venv-older "$python" older.txt
}

setup_python_oldest() {
    local python
    python=$(interpreter 3.6) || { say "no Python 3.6, the last that the oldest clients run under"; exit 3; }
    setup_python
    virtual_environment venv-oldest "$python" oldest.txt
    virtual_environment venv-oldest-aiokafka "$python" oldest-aiokafka.txt
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

# The oldest clients that Kafka 4 serves, KIP-896's oldest, and the newest, each in a directory of its version.
setup_java_versions() {
    setup_java
    local version sums=$HERE/java/versions.sha256
    (cd "$CACHE/java-versions" 2>/dev/null && sha256sum --quiet -c "$sums") 2>/dev/null && return
    rm -rf "$CACHE/java-versions"
    for version in $(sed 's|.* \(.*\)/.*|\1|' "$sums" | sort -u); do
        mvn -q -B -f "$HERE/java/versions.pom.xml" -Dkafka.version="$version" dependency:copy-dependencies \
            -DincludeScope=runtime -DoutputDirectory="$CACHE/java-versions/$version" >&2 || exit 1
    done
    (cd "$CACHE/java-versions" && sha256sum --quiet -c "$sums") || fail "the jars are not the pinned ones"
}

setup_node() {
    need node nodejs
    need npm npm
    # It reads back what kafkajs wrote.
    setup_python
    cmp -s "$HERE/node/package-lock.json" "$CACHE/node/package-lock.json" && [ -d "$CACHE/node/node_modules" ] && return
    rm -rf "$CACHE/node"
    mkdir -p "$CACHE/node"
    cp "$HERE/node/package.json" "$HERE/node/package-lock.json" "$CACHE/node/"
    (cd "$CACHE/node" && npm ci --ignore-scripts --no-audit --no-fund >&2) || { rm -rf "$CACHE/node"; exit 1; }
}

mkdir -p "$CACHE"
for kind in "$@"; do "setup_${kind//-/_}"; done
