#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measure what the unit tests and the functional tests cover together, the
# processes that they start too. pyproject.toml has the floor, "fail_under".
#
#   tools/cover.sh              both
#   tools/cover.sh unit         this one; the floor is for both

set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- unit functional
# Tests start processes in other directories.
export COVERAGE_FILE=$PWD/.check/cover/data
# stestr's interpreter.
export PYTHON='coverage run'
rm -rf .check/cover
mkdir -p .check/cover
status=0
for suite in "$@"; do
    tools/run-tests.sh "$suite" .check/cover || status=1
done
coverage combine --quiet
coverage html --quiet --directory cover
echo '=== summary'
coverage report || status=1
exit "$status"
