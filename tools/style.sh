#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Run the linters: all but mypy, or those named.

set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${VIRTUAL_ENV:-}" ] && [ -d .venv ]; then
    PATH="$PWD/.venv/bin:$PATH"
fi

ALL=(ruff format layers hacking codespell sphinx-lint shellcheck yamllint
    ansible-lint)

lint() {
    case $1 in
    ruff) ruff check . ;;
    format) ruff format --check --diff . ;;
    layers) lint-imports ;;
    hacking) flake8 ;;
    codespell) codespell ;;
    sphinx-lint)
        # Traits in examples are longer than lines should be. The script of a
        # page in images has quotes that only look like markup.
        sphinx-lint --enable all --disable leading-spaces \
            --disable line-too-long --ignore doc/source/operator/images \
            README.rst CONTRIBUTING.rst SECURITY.rst devstack/README.rst \
            doc/source releasenotes/source &&
            no_simple_tables
        ;;
    mypy) mypy ;;
    shellcheck)
        shellcheck --external-sources tools/*.sh .ci/run devstack/settings \
            devstack/plugin.sh devstack/lib/* devstack/tools/*.sh \
            tests/devstack/*.sh etc/libvirt/hooks/qemu.d/* \
            deploy/debian/tests/installed deploy/debian/tests/library \
            deploy/debian/*.postrm deploy/debian/*.prerm
        ;;
    yamllint) cd deploy && yamllint --strict kolla-ansible openstack-ansible ;;
    ansible-lint)
        cd deploy && ansible-lint --offline -q kolla-ansible/*.yml \
            openstack-ansible/*.yml
        ;;
    *) echo "unknown linter: $1; there are: ${ALL[*]}" >&2 && return 2 ;;
    esac
}

[ $# -gt 0 ] || set -- "${ALL[@]}"
# A simple table has to be laid out again when a cell grows: use list-table. A
# test reads that of releases.rst.
no_simple_tables() {
    ! grep --extended-regexp --include='*.rst' --line-number --recursive \
        --exclude=releases.rst '^ *=+ +=+' doc/source ||
        { echo 'simple tables: use list-table' >&2 && return 1; }
}

failed=()
for name in "$@"; do
    echo "== $name"
    # In a shell of its own, which may change the directory.
    (lint "$name") || failed+=("$name")
done
if [ "${#failed[@]}" -gt 0 ]; then
    echo "Not clean: ${failed[*]}"
    exit 1
fi
