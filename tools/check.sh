#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Run checks, all of them or those named, and say how they went.
#
# Every check runs even when one before it failed. The status is not 0 when a
# check failed, and also when a test was skipped or no test ran.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
. tools/lib.sh

ALL=(style types unit functional docs generated bounds cloud)

run() {
    case $1 in
    style) step 'Style' tools/style.sh ;;
    types) step 'Types' mypy ;;
    unit) step 'Unit tests' tools/run-tests.sh unit .check ;;
    functional)
        step 'Functional tests' tools/run-tests.sh functional .check
        ;;
    docs) step 'Documentation' tools/docs.sh ;;
    generated) step 'Generated files are fresh' tools/genconfig.sh --check ;;
    bounds) step 'Oldest libraries' tools/bounds.sh --short lowest ;;
    cloud) step 'A short run on a real cloud' tools/cloud.sh --short ;;
    *) die "unknown check: $1; there are: ${ALL[*]}" ;;
    esac
}

main() {
    local check failed=() suites=()
    [ $# -gt 0 ] || set -- "${ALL[@]}"
    tools/setup.sh
    # PYTHON may have named the interpreter for .venv; stestr would use it.
    unset PYTHON
    export PATH="$PWD/.venv/bin:$PATH" VIRTUAL_ENV="$PWD/.venv"
    rm -f .check/totals .check/*.subunit
    for check in "$@"; do
        run "$check" || failed+=("$check")
        case $check in unit | functional) suites+=("$check") ;; esac
    done
    if [ "${#failed[@]}" -gt 0 ]; then
        echo "Failed: ${failed[*]}"
        echo "Again: tools/check.sh ${failed[*]}   (full logs: $LOGS)"
    fi
    if [ "${#suites[@]}" -gt 0 ]; then
        suites=("${suites[@]/#/.check/}")
        python tools/test_totals.py --quiet "${suites[@]/%/.subunit}" \
            >.check/totals || failed+=(tests)
        cat .check/totals
    fi
    [ "${#failed[@]}" -eq 0 ]
}

main "$@"
