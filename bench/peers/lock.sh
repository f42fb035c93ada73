#!/bin/sh
# Compile the peers' pins anew: exact versions, every hash, no registry address.
# Releases younger than a week are left alone: PEERS_BEFORE=YYYY-MM-DD sets another day.
set -eu
cd "$(dirname "$0")/../.."
before=${PEERS_BEFORE:-$(.venv/bin/python -c \
    'import datetime as d; print(d.date.today() - d.timedelta(days=7))')}
compile() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --exclude-newer "$before" "$@"
}
compile bench/peers/go.in -o bench/peers/go.txt
compile bench/peers/litellm/requirements.in -o bench/peers/litellm/requirements.txt
compile bench/peers/audit_trail/requirements.in -o bench/peers/audit_trail/requirements.txt
