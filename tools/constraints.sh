#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Write constraints.txt anew: the newest versions that the requirement files
# allow, on every Python that the project supports. All of these must be
# installed, and the system packages of bindep.txt. Run "make check" afterwards.
#
# Some packages refuse early patch releases of a Python, and distributions stay
# with these: python3.11 must be Debian 12's, 3.11.2, or as old.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
. tools/lib.sh

VERSIONS=(3.11 3.12 3.13)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Not "--editable .": what is installed as source has no version to pin.
for version in "${VERSIONS[@]}"; do
    "python$version" -c '' || die "python$version is needed"
    [ "$version" != 3.11 ] ||
        python3.11 -c 'import sys; sys.exit(sys.version_info > (3, 11, 2, "z"))' ||
        die "Python 3.11.2 is needed, not $(python3.11 --version)"
    "python$version" -m venv "$work/$version"
    step "Newest for Python $version" "$work/$version/bin/pip" install \
        bindep pbr setuptools --upgrade \
        --requirement requirements.txt \
        --requirement test-requirements.txt \
        --requirement test-requirements-functional.txt \
        --requirement doc/requirements.txt \
        --requirement tools/style-requirements.txt \
        --requirement tools/bounds-requirements.txt \
        '.[collector,nvidia,osc,rules]' || exit 1
    "$work/$version/bin/pip" freeze --all \
        --exclude pip --exclude nova-mdev-compat >"$work/$version.txt"
done
(cd "$work" && python3 "$OLDPWD/tools/merge_constraints.py" "${VERSIONS[@]/%/.txt}") >"$work/merged"
cp "$work/merged" constraints.txt
