#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Run checks, all of them or those named, and say how they went:
#
#   tools/check.sh                       all, in .venv, which is made if needed
#   tools/check.sh style types           these
#   tools/check.sh --here style types    in the environment that is active
#
# The tests run one suite after the other. The other checks run meanwhile, one
# after the other too: many tests wait for something. Every check runs even when
# another has failed. The status is not 0 when a check failed, and also when a
# test was skipped or no test ran.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
. tools/lib.sh

# "cover" is a check, too, which runs only when it is named.
ALL=(style types unit functional docs generated bounds packages cloud)
FAILED=.check/failed

run() {
    case $1 in
    style) step 'Style' tools/style.sh ;;
    types) step 'Types' mypy ;;
    unit) step 'Unit tests' tools/run-tests.sh unit .check ;;
    functional)
        step 'Functional tests' tools/run-tests.sh functional .check
        ;;
    cover) step 'Coverage' tools/cover.sh ;;
    docs) step 'Documentation' tools/docs.sh ;;
    generated) step 'Generated files are fresh' tools/genconfig.sh --check ;;
    bounds) step 'Oldest libraries' tools/bounds.sh --short lowest ;;
    packages) step 'Debian packages' tools/deb.sh --check ;;
    cloud) step 'A short run on a real cloud' tools/cloud.sh --short ;;
    *) die "unknown check: $1; there are: ${ALL[*]} cover" ;;
    esac
}

# in_background CHECK...: show what each says when it has ended.
in_background() {
    local check shown
    for check in "$@"; do
        shown=$(run "$check") || echo "$check" >>"$FAILED"
        # The line of the check in the foreground is written anew.
        [ ! -t 1 ] || printf '\r\033[K'
        printf '%s\n' "$shown"
    done
}

main() {
    local check suites=() others=() background failed
    if [ "${1:-}" = --here ]; then
        shift
    else
        tools/setup.sh
        export PATH="$PWD/.venv/bin:$PATH" VIRTUAL_ENV="$PWD/.venv"
    fi
    # PYTHON may have named the interpreter for .venv; stestr would use it.
    unset PYTHON
    [ $# -gt 0 ] || set -- "${ALL[@]}"
    rm -f "$FAILED" .check/totals .check/*.subunit
    for check in "$@"; do
        case $check in
        unit | functional) suites+=("$check") ;;
        *) others+=("$check") ;;
        esac
    done
    # With a process group of its own, which ends with this script.
    set -m
    in_background "${others[@]}" &
    set +m
    background=$!
    # shellcheck disable=SC2064  # this one
    trap "kill -- -$background 2>/dev/null || true" EXIT
    for check in "${suites[@]}"; do
        run "$check" || echo "$check" >>"$FAILED"
    done
    wait "$background" || echo checks >>"$FAILED"
    trap - EXIT
    if [ -f "$FAILED" ]; then
        failed=$(paste -s -d ' ' "$FAILED")
        echo "Failed: $failed"
        echo "Again: tools/check.sh $failed   (full logs: $LOGS)"
    fi
    if [ "${#suites[@]}" -gt 0 ]; then
        suites=("${suites[@]/#/.check/}")
        python tools/test_totals.py --quiet "${suites[@]/%/.subunit}" \
            >.check/totals || echo tests >>"$FAILED"
        cat .check/totals
    fi
    [ ! -f "$FAILED" ]
}

main "$@"
