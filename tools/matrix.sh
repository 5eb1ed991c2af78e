#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Run the functional tests with each release of OpenStack in releases/, or with
# those whose Nova's numbers are given, and end with a table.
#
#   tools/matrix.sh            all: about an hour
#   tools/matrix.sh 29 31      these
#
# Every release has a virtual environment, .matrix/29, which stays and is
# changed only when what belongs there has. The status is 0 only if all passed.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
. tools/lib.sh

MAIN=.venv/bin/python

# install NUMBER: a virtual environment of the same Python as .venv, with what
# the tests of a release need.
install() {
    local home=.matrix/$1
    [ "$("$home/bin/python" --version 2>/dev/null)" = "$("$MAIN" --version)" ] ||
        "$MAIN" -m venv --clear "$home"
    inside "$1" install
}

# inside NUMBER COMMAND: run tools/release.sh in a release's environment.
inside() {
    local home=$PWD/.matrix/$1
    PATH="$home/bin:$PATH" VIRTUAL_ENV=$home tools/release.sh "$2" "$1"
}

tools/setup.sh
known=$("$MAIN" tools/releases.py)
# shellcheck disable=SC2086  # one word a release
[ $# -gt 0 ] || set -- $known
for number in "$@"; do
    # Says what is wrong before anything is installed.
    "$MAIN" tools/releases.py "$number" >/dev/null
done
for number in "$@"; do
    rm -rf ".matrix/results-$number"
done
for number in "$@"; do
    step "Nova $number: packages" install "$number" || continue
    step "Nova $number: functional tests" inside "$number" test || true
done
"$MAIN" tools/matrix_table.py "$@"
