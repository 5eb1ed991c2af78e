#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Test with a release of OpenStack, in the virtual environment that is active.
# tox and tools/matrix.sh call it:
#
#   tools/release.sh install 29        what the tests need, in its versions
#   tools/release.sh test 29 [...]     the functional tests; more goes to stestr
#
# 29 is Nova's number. What stands before it, as in "functional-nova29", does
# not matter. Installing what is there already does nothing. A skipped test
# fails; so does a run without tests.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
. tools/lib.sh

REQUIREMENTS=(requirements.txt test-requirements.txt
    test-requirements-functional.txt)

fingerprint() {
    python --version
    cat "$1" "${REQUIREMENTS[@]}" setup.cfg setup.py tools/release.sh |
        sha256sum
}

install() {
    local constraints=.matrix/$1.txt stamp=$VIRTUAL_ENV/release.stamp
    local wanted requirement files=()
    python tools/releases.py "$1" >"$constraints"
    wanted=$(fingerprint "$constraints")
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return
    fi
    rm -f "$stamp"
    pip_install "$VIRTUAL_ENV" "$constraints" pbr setuptools
    for requirement in "${REQUIREMENTS[@]}"; do
        files+=(--requirement "$requirement")
    done
    # What building a wheel left here would hide newer entry points.
    rm -rf ./*.egg-info
    pip_install "$VIRTUAL_ENV" "$constraints" "${files[@]}" \
        --editable '.[collector,nvidia,osc,rules,scheduler]'
    python -m pip check
    echo "$wanted" >"$stamp"
}

usage() {
    echo "usage: $0 install|test NUMBER [...]" >&2
    exit 2
}

[ $# -ge 2 ] || usage
command=$1
number=${2##*[!0-9]}
shift 2
[ -n "${VIRTUAL_ENV:-}" ] || die 'No virtual environment is active.
"make matrix" makes one for each release, and tox does.'
mkdir -p .matrix
case $command in
install) install "$number" ;;
test)
    # stestr would run what it names, instead of this environment's.
    unset PYTHON
    exec tools/run-tests.sh functional ".matrix/results-$number" "$@"
    ;;
*) usage ;;
esac
