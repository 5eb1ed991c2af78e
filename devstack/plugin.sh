# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# DevStack plugin of nova-mdev-compat. stack.sh, unstack.sh and clean.sh source
# it with a mode, and stack.sh with a phase too; what these are is in
# DevStack's documentation ("plugin.sh contract"). settings has been sourced
# before.

_XTRACE_MDEV_COMPAT=$(set +o | grep xtrace)
set +o xtrace

# shellcheck source=devstack/lib/collector
source "$MDEV_COMPAT_DIR/devstack/lib/collector"
# shellcheck source=devstack/lib/filter
source "$MDEV_COMPAT_DIR/devstack/lib/filter"

# Install the package into the environment that Nova is in, once for both.
function install_mdev_compat {
    local extras=$MDEV_COMPAT_EXTRAS
    if is_service_enabled mdev-compat-collector; then
        extras=collector${extras:+,$extras}
    fi
    setup_develop "$MDEV_COMPAT_DIR" ${extras:+"$extras"}
}

function _mdev_compat_filter_phase {
    case $1 in
    stack/post-config) configure_mdev_compat_filter ;;
    stack/extra) check_mdev_compat_filter ;;
    stack/test-config) check_mdev_compat_status ;;
    unstack/) unconfigure_mdev_compat_filter ;;
    esac
}

function _mdev_compat_collector_phase {
    case $1 in
    stack/post-config) configure_mdev_compat_collector ;;
    # nova-compute's own file is made when Nova starts, after post-config.
    stack/extra) start_mdev_compat_collector ;;
    # By now stack.sh has seen nova-compute, whose resource providers the
    # collector needs.
    stack/test-config) wait_for_mdev_compat_collector ;;
    unstack/) stop_mdev_compat_collector ;;
    clean/) cleanup_mdev_compat_collector ;;
    esac
}

function _mdev_compat_phase {
    is_service_enabled mdev-compat-filter mdev-compat-collector || return 0
    echo_summary "nova-mdev-compat: $1"
    if [[ $1 == stack/install ]]; then
        install_mdev_compat
    fi
    # The collector's first: the status of the filter's depends on it.
    if is_service_enabled mdev-compat-collector; then
        _mdev_compat_collector_phase "$1"
    fi
    if is_service_enabled mdev-compat-filter; then
        _mdev_compat_filter_phase "$1"
    fi
    if [[ $1 == clean/ ]]; then
        PIP_VIRTUAL_ENV=${DEVSTACK_VENV:-} pip_uninstall nova-mdev-compat
    fi
}

_mdev_compat_phase "$1/${2:-}"

$_XTRACE_MDEV_COMPAT
