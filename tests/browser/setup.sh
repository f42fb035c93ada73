#!/bin/sh
# Install what tests/browser needs: Chromium from the distribution, where it is missing and can be
# installed. playwright comes from requirements/browser.txt, without a browser of its own.
#
#   sh tests/browser/setup.sh           install what is missing
#   sh tests/browser/setup.sh --check   only name it; exit 1 if it is missing
set -eu

if command -v "${TALLYSTICK_CHROMIUM:-chromium}" >/dev/null; then
    exit 0
fi
echo "chromium is missing"
if [ "${1:-}" = --check ]; then
    exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "install Chromium, or name it in TALLYSTICK_CHROMIUM" >&2
    exit 1
fi
apt-get update -q
apt-get install -y -q --no-install-recommends chromium
