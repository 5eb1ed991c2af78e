# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034  # the plugin and its settings read the variables
#
# Stand-ins for what DevStack gives a plugin. DevStack is no package that a
# test could install; and what it does to a machine (users, units, packages of
# the system) must not be done to the one that runs the tests. So what would
# change the machine is only written down in $CALLS, in order, and files are
# written below $ROOT. With DEVSTACK_TREE, a checkout of DevStack, its own
# functions take the place of those that touch no more than files and lists.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# As stackrc, lib/nova and localrc would have them.
STACK_USER=stack
NOVA_CONF=$ROOT/etc/nova/nova.conf
NOVA_CPU_CONF=$ROOT/etc/nova/nova-cpu.conf
NOVA_STATE_PATH=$ROOT/opt/stack/data/nova
NOVA_FILTERS=${NOVA_FILTERS-ComputeFilter,SameHostFilter}
DEVSTACK_VENV=$ROOT/opt/stack/data/venv
SYSTEMD_DIR=$ROOT/etc/systemd/system
ENABLE_DEBUG_LOG_LEVEL=True
VIRT_DRIVER=${VIRT_DRIVER:-libvirt}
ENABLED_SERVICES=${ENABLED_SERVICES-key,n-api,n-sch,n-cpu,placement-api}
DISABLED_SERVICES=${DISABLED_SERVICES:-}

define_plugin() { :; }
echo_summary() { echo "$*"; }

_called() { printf '%s\n' "$*" >>"$CALLS"; }

setup_develop() { _called setup_develop "$@"; }
pip_uninstall() { _called pip_uninstall "$@" from "$PIP_VIRTUAL_ENV"; }
run_process() { _called run_process "$@"; }
stop_process() { _called stop_process "$@"; }
get_python_exec_prefix() { echo "$DEVSTACK_VENV/bin"; }

# die LINE MESSAGE...
die() {
    shift
    echo "[ERROR] $*" >&2
    exit 1
}

# warn LINE MESSAGE
warn() { echo "[WARNING] $2"; }

# test_with_retry COMMAND MESSAGE SECONDS PAUSE: without the pause.
test_with_retry() {
    _called test_with_retry "$1" "$3"
    bash -c "$1" || die 0 "$2"
}

# What needs root is left out or only written down.
sudo() {
    case $1 in
    systemd-sysusers | chown | userdel) _called sudo "$@" ;;
    install)
        _called sudo "$@"
        _install "${@:2}"
        ;;
    *) "$@" ;;
    esac
}

# install, but for the owner and the group.
_install() {
    local args=()
    while [ $# -gt 0 ]; do
        case $1 in
        -o | -g) shift ;;
        *) args+=("$1") ;;
        esac
        shift
    done
    install "${args[@]}"
}

# The machine's own users are none of the plugin's in a test.
getent() { [ "$1 $2" = 'passwd nova-mdev' ]; }

_enabled() {
    case ,$ENABLED_SERVICES, in *,"$1",*) ;; *) return 1 ;; esac
}

is_service_enabled() {
    local service
    for service in "$@"; do
        if _enabled "$service"; then return 0; fi
    done
    return 1
}

enable_service() {
    case ,$DISABLED_SERVICES, in *,"$1",*) return ;; esac
    if ! _enabled "$1"; then ENABLED_SERVICES+=,$1; fi
}

# _ini VERB FILE SECTION OPTION [VALUE...]: a file that is not there is made.
_ini() {
    local IFS=$'\n' verb=$1 file=$2 section=$3 option=$4 result
    shift 4
    [ -e "$file" ] || : >"$file"
    result=$(VERB=$verb SECTION=$section OPTION=$option VALUES="$*" \
        awk -f "$HERE/ini.awk" "$file" "$file")
    case $verb in
    get) echo "${result% }" ;;
    *) printf '%s\n' "$result" >"$file" ;;
    esac
}
iniget() { _ini get "$@"; }
iniget_multiline() { _ini get "$@"; }
iniset() { _ini set "$@"; }
iniset_multiline() { _ini set-all "$@"; }
iniadd() { _ini add "$@"; }
inidelete() { _ini delete "$@"; }

if [ -n "${DEVSTACK_TREE:-}" ]; then
    # shellcheck disable=SC1091  # not part of this project
    source "$DEVSTACK_TREE/inc/ini-config"
    for name in trueorfalse warn is_service_enabled enable_service \
        disable_negated_services _cleanup_service_list \
        remove_disabled_services; do
        eval "$(sed -n "/^function $name {/,/^}/p" \
            "$DEVSTACK_TREE/functions-common")"
    done
fi
