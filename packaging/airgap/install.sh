#!/bin/sh
# Install Tallystick from this bundle, without any network:
#
#   sh install.sh /opt/tallystick        # a new folder; PYTHON names another python3
#
# Every file is compared with SHA256SUMS first. That list proves only that the files belong together:
# compare its own sum with the one you were told by another way.
set -eu
target=${1:?usage: sh install.sh FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
if command -v sha256sum >/dev/null; then
    sha256sum --quiet --strict -c SHA256SUMS
else
    shasum -a 256 -c SHA256SUMS >/dev/null
fi
if [ -e "$target/bin" ]; then
    echo "$target holds something already: name a new folder" >&2
    exit 2
fi
"${PYTHON:-python3}" -m venv "$target"
"$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
    --find-links wheels --require-hashes --only-binary :all: -r requirements.txt
"$target/bin/tally" --version
