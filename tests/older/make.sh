#!/bin/sh
# Make a ledger with the code of an earlier commit: sh tests/older/make.sh COMMIT NAME
# Needs the project's Python environment as $PYTHON. What it writes is committed as it is.
set -eu
work=$(mktemp -d)
here=$(cd "$(dirname "$0")" && pwd)
git -C "$here/../.." archive --format=tar "$1:src" | tar -x -C "$work"
export PYTHONPATH="$work" TALLYSTICK_PASSPHRASE_FILE="$work/phrase"
printf 'correct horse\n' > "$TALLYSTICK_PASSPHRASE_FILE"
tally() { "${PYTHON:-python3}" -m tallystick --home "$work/home" "$@"; }
tally init --allow document=organisation
tally keys create clinic --kind organisation
tally register --as clinic --type document --field text="a letter"
tally keys api create clinic --label "night batch" > "$work/home/token"
tally keys api create clinic --label "second"
tar -cJf "$here/$2.tar.xz" -C "$work" --owner=0 --group=0 home
rm -r "$work"
