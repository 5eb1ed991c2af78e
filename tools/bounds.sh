#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Try old libraries: the lowest versions that setup.cfg and requirements.txt
# allow, and what distributions ship (releases/distributions).
#
#   tools/bounds.sh                    all, with the unit tests
#   tools/bounds.sh debian-13          these
#   tools/bounds.sh --commands         without the unit tests
#   tools/bounds.sh --short lowest     only whether commands start, as "make
#                                      check" does
#
# The unit tests run with all extras. Each command runs with its own extra
# alone where versions are the lowest, and with all of them as a distribution
# has them; what it asks, and the tests that look at it, are those of .venv.
# The environments, .bounds/lowest and so on, are made anew each time, of the
# same Python as .venv. The status is 0 only if all passed.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
. tools/lib.sh

MAIN=$PWD/.venv/bin
BOUNDS=$PWD/.bounds
ALL_EXTRAS=collector,metrics,nvidia,osc,rules

uv() {
    "$MAIN/uv" --quiet --no-config "$@"
}

# environment NAME SET EXTRAS [...]: with what the package needs in a set's
# versions, and the package; more goes to "uv pip install".
environment() {
    local home=$BOUNDS/$1 set=$2 extras=$3
    shift 3
    # Not by "set -e", which a caller's || turns off.
    python tools/bounds.py requirements "$set" "$extras" >"$home.txt" &&
        python tools/bounds.py constraints "$set" >"$home.constraints" &&
        uv venv --clear --python "$MAIN/python" "$home" &&
        uv pip install --python "$home/bin/python" --requirement "$home.txt" \
            --constraint "$home.constraints" "$@" &&
        uv pip install --python "$home/bin/python" --no-deps \
            "$BOUNDS"/dist/*.whl &&
        uv pip freeze --python "$home/bin/python"
}

# commands NAME EXTRAS: one pass of each command that extras bring.
commands() {
    # tests/commands has classes for each extra.
    MDEV_COMPAT_COMMANDS=$BOUNDS/$1/bin tools/run-tests.sh commands \
        "$BOUNDS/$1.results" "(?i)test_commands\.(${2//,/|})$short"
}

unit() {
    PATH="$BOUNDS/$1/bin:$PATH" VIRTUAL_ENV="$BOUNDS/$1" \
        tools/run-tests.sh unit "$BOUNDS/$1.results"
}

try() {
    local set=$1 extras name
    if [ "$set" = lowest ]; then
        for extras in collector,metrics,nvidia rules osc; do
            name=$set-${extras%%,*}
            step "$name: packages" environment "$name" "$set" "$extras" &&
                step "$name: commands" commands "$name" "$extras" ||
                failed+=("$name")
        done
        [ -n "$with_unit" ] || return 0
    fi
    step "$set: packages" environment "$set" "$set" "$ALL_EXTRAS" \
        --requirement test-requirements.txt || {
        failed+=("$set")
        return
    }
    if [ "$set" != lowest ]; then
        step "$set: commands" commands "$set" "$ALL_EXTRAS" ||
            failed+=("$set")
    fi
    [ -z "$with_unit" ] || step "$set: unit tests" unit "$set" ||
        failed+=("$set")
}

with_unit=yes short=
case ${1:-} in
--commands) with_unit='' && shift ;;
--short) with_unit='' short='.*test_starts' && shift ;;
esac
tools/setup.sh
export PATH="$MAIN:$PATH" VIRTUAL_ENV="$PWD/.venv"
known=$(python tools/bounds.py)
# shellcheck disable=SC2086  # one word a set
[ $# -gt 0 ] || set -- $known
mkdir -p "$BOUNDS"
failed=()
step "This package's wheel" make_wheel "$MAIN/python" "$BOUNDS/dist" || exit 1
for set in "$@"; do
    # Says what is wrong before anything is installed.
    python tools/bounds.py constraints "$set" >/dev/null
    try "$set"
done
[ "${#failed[@]}" -eq 0 ] || die "Not all passed: ${failed[*]}"
