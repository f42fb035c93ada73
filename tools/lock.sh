#!/bin/sh
# Compile requirements/*.txt: exact versions, every hash, no registry address.
set -eu
cd "$(dirname "$0")/.."
compile() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url "$@"
}
compile pyproject.toml --extra web --extra client --extra fast --extra ai --extra lm --extra otel --extra pkcs11 --extra keyring --extra oidc -o requirements/run.txt
for name in build dev docs fuzz browser; do
    compile "requirements/$name.in" -o "requirements/$name.txt"
done
