#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Start a whole cloud of real processes, try things on it, and end it:
#
#   tools/cloud.sh             all scenarios
#   tools/cloud.sh --help      what else there is
#
# It installs MariaDB and RabbitMQ, and OpenStack's services and this package's
# wheel in a virtual environment of their own, .cloud/venv. With a command
# after "--", it runs that there instead.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
. tools/lib.sh

VENV=.cloud/venv
REQUIREMENTS=(requirements.txt test-requirements.txt
    test-requirements-functional.txt test-requirements-cloud.txt)
EXTRAS=collector,osc,rules

fingerprint() {
    .venv/bin/python --version
    cat "${REQUIREMENTS[@]}" constraints.txt bindep.txt setup.cfg \
        tools/cloud.sh | sha256sum
}

install() {
    local requirement wanted files=() stamp="$VENV/cloud.stamp"
    wanted=$(fingerprint)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return
    fi
    install_profiles cloud
    step 'Virtual environment .cloud/venv' .venv/bin/python -m venv --clear \
        "$VENV" || exit 1
    step 'Build tools' pip_install "$VENV" constraints.txt pbr setuptools ||
        exit 1
    for requirement in "${REQUIREMENTS[@]}"; do
        files+=(--requirement "$requirement")
    done
    step "OpenStack's services (1 to 3 minutes)" pip_install "$VENV" \
        constraints.txt "${files[@]}" ".[$EXTRAS]" || exit 1
    step 'Versions fit together' "$VENV/bin/python" -m pip check || exit 1
    echo "$wanted" >"$stamp"
}

# What operators get, made of what is here now.
install_wheel() {
    make_wheel "$VENV/bin/python" .cloud/dist
    pip_install "$VENV" constraints.txt --no-deps --force-reinstall \
        .cloud/dist/*.whl
}

# tests.cloud holds the lock. What runs must not get another wheel.
if [ -e .cloud/lock ] && ! flock --nonblock .cloud/lock true; then
    die 'a cloud runs already in .cloud/run: end it with Ctrl-C first'
fi
tools/setup.sh
mkdir -p .cloud
install
step "This package's wheel" install_wheel || exit 1
if [ "${1:-}" = -- ]; then
    shift
    exec "$VENV/bin/python" "$@"
fi
exec "$VENV/bin/python" -m tests.cloud "$@"
