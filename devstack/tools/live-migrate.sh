#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Live-migrate a server with an mdev in a DevStack of two hosts, and say
# whether the scheduler did what the target's collector declares:
#
#   live-migrate.sh create SERVER HOST    make a server with an mdev, on HOST
#   live-migrate.sh refused SERVER        no host may take it, and it stays
#   live-migrate.sh accepted SERVER HOST  it moves to HOST
#
# Between them, change the rules of the other host and reload its collector.
# Credentials are those of the environment, as the user "admin". The status is
# 0 if all went as it says above, 1 if not.

set -euo pipefail

# Microversion 2.74 has "server create --host"; with 2.59 and later the newest
# migration comes first.
export OS_COMPUTE_API_VERSION=2.74
# For how many seconds each thing is waited for, and the pause between looks.
PATIENCE=${PATIENCE:-120}
PAUSE=${PAUSE:-2}
FLAVOR=mdev-compat

die() {
    echo "live-migrate.sh: $*" >&2
    exit 1
}

# wait_until WHAT COMMAND...: until it succeeds.
wait_until() {
    local what=$1 end=$((SECONDS + PATIENCE))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || die "$what: not within $PATIENCE seconds"
        sleep "$PAUSE"
    done
}

field() {
    openstack server show "$1" -f value -c "$2"
}

host_of() {
    field "$1" OS-EXT-SRV-ATTR:host
}

# newest SERVER COLUMN: of its newest migration.
newest() {
    openstack server migration list --server "$1" -f value -c "$2" |
        head -n 1
}

# can_move SERVER STATUS: "openstack mdev target list" ends with 0 if a host
# could take it now, with 1 if none could, or if it cannot tell; with the
# latter nothing is on stdout.
can_move() {
    local status=0 table
    table=$(openstack mdev target list "$1") || status=$?
    echo "$table"
    [ -n "$table" ] && [ "$status" -eq "$2" ]
}

has_ended() {
    [[ $(newest "$1" Status) =~ ^(completed|error|failed)$ ]]
}

migrate() {
    openstack server migrate --live-migration "$1"
    wait_until "the migration of $1 has ended" has_ended "$1"
}

create() {
    local image network
    openstack flavor show "$FLAVOR" >/dev/null 2>&1 ||
        openstack flavor create --ram 128 --disk 1 --vcpus 1 \
            --property resources:VGPU=1 "$FLAVOR"
    image=$(openstack image list -f value -c ID | head -n 1)
    network=$(openstack network list --internal -f value -c ID | head -n 1)
    openstack server create --image "$image" --flavor "$FLAVOR" \
        --nic "net-id=$network" --host "$2" --wait "$1"
    [ "$(field "$1" status)" = ACTIVE ] || die "$1 is not ACTIVE"
    [ "$(host_of "$1")" = "$2" ] || die "$1 is not on $2"
}

refused() {
    local host destination
    host=$(host_of "$1")
    wait_until "every host refuses $1" can_move "$1" 1
    migrate "$1"
    [ "$(newest "$1" Status)" = error ] || die "$1 was migrated"
    # Nova writes it down as soon as the scheduler has chosen.
    destination=$(newest "$1" 'Dest Compute')
    [ "${destination:-None}" = None ] || die "$destination was chosen for $1"
    [ "$(host_of "$1")" = "$host" ] || die "$1 is no longer on $host"
}

accepted() {
    wait_until "a host accepts $1" can_move "$1" 0
    migrate "$1"
    [ "$(newest "$1" 'Dest Compute')" = "$2" ] ||
        die "$2 was not chosen for $1"
    [ "$(newest "$1" Status)" = completed ] ||
        die "$1 was to go to $2, but did not arrive"
    [ "$(host_of "$1")" = "$2" ] || die "$1 is not on $2"
}

case "${1:-} $#" in
'create 3' | 'refused 2' | 'accepted 3')
    "$@"
    echo "$*: as it should be"
    ;;
*) die 'create SERVER HOST, refused SERVER, or accepted SERVER HOST' ;;
esac
