#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Run the linters: all but mypy, or those named.

set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${VIRTUAL_ENV:-}" ] && [ -d .venv ]; then
    PATH="$PWD/.venv/bin:$PATH"
fi

ALL=(ruff format layers hacking codespell sphinx-lint shellcheck)

lint() {
    case $1 in
    ruff) ruff check . ;;
    format) ruff format --check --diff . ;;
    layers) lint-imports ;;
    hacking) flake8 ;;
    codespell) codespell ;;
    sphinx-lint)
        # Traits in examples are longer than lines should be.
        sphinx-lint --enable all --disable leading-spaces \
            --disable line-too-long README.rst CONTRIBUTING.rst SECURITY.rst \
            devstack/README.rst doc/source releasenotes/source
        ;;
    mypy) mypy ;;
    shellcheck)
        shellcheck --external-sources tools/*.sh .ci/run devstack/settings \
            devstack/plugin.sh devstack/lib/* devstack/tools/*.sh \
            tests/devstack/*.sh etc/libvirt/hooks/qemu.d/*
        ;;
    *) echo "unknown linter: $1; there are: ${ALL[*]}" >&2 && return 2 ;;
    esac
}

[ $# -gt 0 ] || set -- "${ALL[@]}"
failed=()
for name in "$@"; do
    echo "== $name"
    lint "$name" || failed+=("$name")
done
if [ "${#failed[@]}" -gt 0 ]; then
    echo "Not clean: ${failed[*]}"
    exit 1
fi
