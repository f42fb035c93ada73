#!/bin/sh
# Install the peers under .oracles/peers, each in an environment of its own.
#
#   sh bench/peers/setup.sh              all of them
#   sh bench/peers/setup.sh tessera      one of them: tessera, litellm or audit_trail
#
# Needs Python 3.11+ with its venv module, and package registries. A peer whose pins have
# not changed since is left alone. PYTHON names the Python to use.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
peers=.oracles/peers
mkdir -p "$peers/bin" "$peers/stamps"

# fresh NAME FILE...: succeeds if NAME was installed from exactly these files.
fresh() {
    name=$1
    shift
    sum=$(cat "$@" | cksum)
    [ "$(cat "$peers/stamps/$name" 2>/dev/null)" = "$sum" ]
}

stamp() {
    name=$1
    shift
    cat "$@" | cksum >"$peers/stamps/$name"
}

# venv NAME REQUIREMENTS: a new virtual environment with exactly these wheels.
venv() {
    rm -rf "${peers:?}/$1"
    "$python" -m venv "$peers/$1"
    "$peers/$1/bin/python" -m pip install --quiet --disable-pip-version-check \
        --no-deps --only-binary :all: --require-hashes -r "$2"
}

# The toolchain and its caches are removed again: the binary is all a run needs.
tessera() {
    set -- bench/peers/go.txt bench/peers/tessera/go.mod bench/peers/tessera/go.sum \
        bench/peers/tessera/*.go
    fresh tessera "$@" && [ -x "$peers/bin/tessera-bench" ] && return
    venv build bench/peers/go.txt
    build=$PWD/$peers/build
    GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 GOPATH=$build/path GOCACHE=$build/cache \
        GOFLAGS='-modcacherw -mod=readonly -trimpath -buildvcs=false' \
        "$build/bin/go" build -C bench/peers/tessera -ldflags='-s -w' \
        -o "$PWD/$peers/bin/tessera-bench" .
    rm -rf "$build"
    stamp tessera "$@"
}

litellm() {
    fresh litellm bench/peers/litellm/requirements.txt && return
    venv litellm bench/peers/litellm/requirements.txt
    stamp litellm bench/peers/litellm/requirements.txt
}

audit_trail() {
    fresh audit_trail bench/peers/audit_trail/requirements.txt && return
    venv audit_trail bench/peers/audit_trail/requirements.txt
    stamp audit_trail bench/peers/audit_trail/requirements.txt
}

[ $# -gt 0 ] || set -- tessera litellm audit_trail
for peer in "$@"; do
    case $peer in
    tessera | litellm | audit_trail) "$peer" ;;
    *)
        echo "setup.sh: no such peer: $peer" >&2
        exit 2
        ;;
    esac
done
