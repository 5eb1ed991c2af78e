#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Mutation testing of the core: mutmut changes one thing at a time, and the
# unit tests of the core have to notice. pyproject.toml has its settings.
#
#   tools/mutation.sh                                   all: hours
#   tools/mutation.sh 'nova_mdev_compat.core.versions*' one module
#
# It works on a copy of the files that git knows, in .mutation/tree. A mutant
# that survived is shown by: cd .mutation/tree; ../bin/mutmut show NAME

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
. tools/lib.sh

tools/setup.sh
VENV=$PWD/.mutation
if [ ! -x "$VENV/bin/mutmut" ]; then
    step 'Virtual environment .mutation' .venv/bin/python -m venv --clear \
        "$VENV" || exit 1
    step 'mutmut' "$VENV/bin/pip" install 'mutmut>=3.8.1,<4' || exit 1
    # The libraries of the tests are those of .venv.
    .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
        >"$(echo "$VENV"/lib/python*/site-packages)/tests.pth"
fi
rm -rf "$VENV/tree"
mkdir "$VENV/tree"
git ls-files -z | xargs -0 cp -P --parents --target-directory "$VENV/tree"
cd "$VENV/tree"
# Each mutant runs its tests, so fewer examples do.
MAX_EXAMPLES=${MAX_EXAMPLES:-30} "$VENV/bin/mutmut" run "$@"
"$VENV/bin/mutmut" results
