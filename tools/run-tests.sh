#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Run one suite of tests, "unit" or "functional", with stestr:
#
#   tools/run-tests.sh SUITE DIRECTORY [...]    more goes to "stestr run"
#
# What happened is left in DIRECTORY/SUITE.subunit. A skipped test, and a suite
# without tests, fail.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
. tools/lib.sh

suite=$1
repository=$2/stestr-$suite
results=$2/$suite.subunit
shift 2

# A repository of its own, new: nothing of an earlier run can be counted.
rm -rf "$repository" "$results"
mkdir -p "$repository"
stestr --repo-url "$repository" --test-path "./tests/$suite" init

# Several hundred tests start a command, which would compile this package.
unset PYTHONDONTWRITEBYTECODE

# As many workers as processors. One more gains nothing in "make check": with
# the checks that run beside, all processors are busy.
status=0
stestr --repo-url "$repository" --test-path "./tests/$suite" run "$@" ||
    status=$?
if stestr --repo-url "$repository" last --subunit >"$results"; then
    printf '\n%s\n' "$SUMMARY"
else
    # No test ran; why is said above.
    rm -f "$results"
    status=1
fi
python tools/test_totals.py "$results" || status=1
exit "$status"
