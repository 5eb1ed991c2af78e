#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Source the plugin as DevStack would: "stack", "unstack" or "clean". $ROOT is
# where all its files go, $CALLS what it did besides, and $LOCAL_CONF a script
# for what local.conf changes in nova.conf after the phase post-config.

set -o errexit
# As with NOUNSET, but DevStack's own functions are not all fit for it.
if [ -z "${DEVSTACK_TREE:-}" ]; then
    set -o nounset
fi
cd "$ROOT"
plugin=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../devstack" && pwd)
# shellcheck source=tests/devstack/functions.sh
source "$(dirname "${BASH_SOURCE[0]}")/functions.sh"
# shellcheck source=devstack/settings
source "$plugin/settings"

# phase MODE [PHASE]
phase() {
    _called "phase $*"
    # shellcheck source=devstack/plugin.sh
    source "$plugin/plugin.sh" "$@"
}

# As start_nova_compute does, which adds what local.conf has for this file.
start_nova() {
    if is_service_enabled n-cpu; then
        cat "$NOVA_CONF" "$ROOT/cpu.conf" >"$NOVA_CPU_CONF"
    fi
}

case $1 in
stack)
    # stack.sh writes nova.conf anew each time.
    cp "$ROOT/nova.conf" "$NOVA_CONF"
    phase stack pre-install
    phase stack install
    phase stack post-config
    eval "${LOCAL_CONF:-:}"
    start_nova
    phase stack extra
    phase stack test-config
    ;;
*) phase "$1" ;;
esac
