#!/bin/sh
# Install what the tests of custody sign with: SoftHSM (a PKCS#11 module), and GNOME Keyring with a
# D-Bus of its own. From Debian, as root; what is there is left alone.
#
#   sh tests/custody/setup.sh           install what is missing
#   sh tests/custody/setup.sh --check   only name it; exit 1 if there is any
set -eu

missing=
for pair in softhsm2-util:softhsm2 gnome-keyring-daemon:gnome-keyring dbus-daemon:dbus-daemon; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0
if [ "${1:-}" = --check ]; then
    echo "missing:$missing"
    exit 1
fi
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "custody: install$missing as root, or leave their tests out" >&2
    exit 1
fi
echo "custody: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086  # several packages
nice apt-get install -y -qq --no-install-recommends $missing >/dev/null
