#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Make .venv with everything that the Makefile's targets need.
#
# It installs missing system packages (bindep.txt) with apt-get, through sudo
# unless run by root, and Python packages in the versions of constraints.txt.
# When nothing changed since the last time it does nothing. PYTHON names the
# interpreter to use. Without it, an existing .venv keeps its own.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
. tools/lib.sh

VENV=.venv
STAMP=$VENV/setup.stamp
REQUIREMENTS=(requirements.txt test-requirements.txt
    test-requirements-functional.txt doc/requirements.txt
    tools/style-requirements.txt tools/bounds-requirements.txt)

# Print the path of a Python that constraints.txt was made for, or of a newer
# one where there is none.
find_python() {
    local candidate found newer=''
    if [ -z "${PYTHON:-}" ] && [ -f "$STAMP" ]; then
        # Its first line, without the directory and the version. Not the first
        # python3 of PATH: that is .venv's own where .venv is active.
        candidate=$(head -n 1 "$STAMP")
        candidate=${candidate#"$PWD "}
        candidate=${candidate% Python *}
        [ ! -x "$candidate" ] || { echo "$candidate" && return; }
    fi
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        found=$("$candidate" -c 'import sys
if sys.version_info >= (3, 11):
    print(sys.version_info < (3, 14), sys.executable)' 2>/dev/null) || continue
        case $found in
        True*) echo "${found#True }" && return ;;
        False*) newer=${newer:-${found#False }} ;;
        esac
    done
    if [ -n "$newer" ]; then
        echo "note: constraints.txt was made for Python 3.11 to 3.13" >&2
        echo "$newer"
        return
    fi
    die "Python 3.11 or later is needed, and ${PYTHON:-python3} is not.
Debian 12, Ubuntu 24.04 and later have it as python3. With another one
installed, name it: make check PYTHON=/path/to/python3.12"
}

# What the packages in it depend on.
fingerprint() {
    cat "${REQUIREMENTS[@]}" constraints.txt bindep.txt setup.cfg setup.py \
        tools/setup.sh | sha256sum
}

make_venv() {
    # Debian keeps a part of the standard library in a package of its own.
    "$1" -c 'import ensurepip' 2>/dev/null ||
        install_system "$("$1" -c 'import sys
print("python%d.%d-venv" % sys.version_info[:2])')"
    step 'Virtual environment .venv' "$1" -m venv --clear "$VENV" || exit 1
}

install_missing_system() {
    install_profiles compile test
    # bindep knows the headers of the system's own Python only.
    "$VENV/bin/python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(
    os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
        install_system "$("$VENV/bin/python" -c 'import sys
print("python%d.%d-dev" % sys.version_info[:2])')"
}

main() {
    local python base wanted requirement files=()
    python=$(find_python)
    # A virtual environment is bound to its place and its Python.
    base="$PWD $python $("$python" --version)"
    wanted="$base
$(fingerprint)"
    if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$wanted" ]; then
        return
    fi
    echo "Setting up $VENV with $("$python" --version) (a few minutes; details" \
        "in $LOGS)"
    # What an interrupted run left has no stamp and is not built upon.
    if [ ! -f "$STAMP" ] || [ "$(head -n 1 "$STAMP")" != "$base" ]; then
        make_venv "$python"
    fi
    rm -f "$STAMP"
    step 'Build tools' pip_install "$VENV" constraints.txt \
        bindep pbr setuptools || exit 1
    install_missing_system
    for requirement in "${REQUIREMENTS[@]}"; do
        files+=(--requirement "$requirement")
    done
    # What building a wheel left here would hide newer entry points from
    # whatever runs in this directory.
    rm -rf ./*.egg-info
    step 'Python packages (1 to 3 minutes)' pip_install "$VENV" \
        constraints.txt "${files[@]}" \
        --editable '.[collector,nvidia,osc,rules]' || exit 1
    step 'Versions fit together' "$VENV/bin/python" -m pip check || exit 1
    echo "$wanted" >"$STAMP"
}

main
