#!/bin/sh
# Installs the Debian packages named in requirements/debian.txt, which tests use as real servers. Without the rights to, says what to do.
set -eu
cd "$(dirname "$0")"
missing=
for package in $(grep -v '^#' debian.txt); do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Debian's packages for the tests:$missing ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
else
    echo "Some tests will be skipped. To run them, install once:  sudo apt-get install --no-install-recommends$missing" >&2
fi
