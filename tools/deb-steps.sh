#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What tools/deb.sh does inside a clean root, in /build: build or try.

set -euo pipefail
cd /build

# Their order is that of dependencies.
PACKAGES=(python3-osc-mdev nova-mdev-late-check nova-mdev-collector
    python3-nova-mdev-compat)

build() {
    # build-essential is not there: nothing is compiled. The rest of the list
    # that dpkg would check is what the root was made of.
    (cd source && dpkg-buildpackage --unsigned-source --unsigned-changes \
        --no-check-builddeps)
    # Its status for tags of the kind "info" also counts those overridden.
    lintian --allow-root --display-info ./*.changes | tee lintian.txt
    ! grep '^[EWI]: ' lintian.txt
}

# Every path that a package could have left.
paths() {
    find / -xdev \( -path /build -o -path /dev -o -path /proc -o -path /sys \
        -o -path /run -o -path /tmp -o -path /root -o -path /var/cache \
        -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/log \
        -o -name __pycache__ \) -prune -o -print | sort
}

# apt COMMAND...: all that is needed is there.
apt() {
    apt-get --yes --no-install-recommends -o Dpkg::Use-Pty=0 "$@"
}

try() {
    local hook=/etc/libvirt/hooks/qemu.d/nova-mdev-guard
    paths >before
    apt install ./python3-nova-mdev-compat_*.deb
    source/debian/tests/library
    apt install ./*.deb
    source/debian/tests/installed
    # As an upgrade.
    mkdir -p "${hook%/*}" /var/lib/nova-mdev-compat
    touch /var/lib/nova-mdev-compat/state.json
    echo '[collector]' >/etc/nova-mdev-compat/site.conf
    cp /usr/share/nova-mdev-compat/hooks/qemu.d/nova-mdev-guard "$hook"
    apt install --reinstall ./*.deb
    test -x "$hook"
    test -f /var/lib/nova-mdev-compat/state.json
    apt remove "${PACKAGES[@]}"
    # A hook without its command would refuse every migration.
    test ! -e "$hook"
    test -f /var/lib/nova-mdev-compat/state.json
    dpkg --purge "${PACKAGES[@]}"
    # The administrator's own.
    rm /etc/nova-mdev-compat/site.conf
    rmdir --ignore-fail-on-non-empty /etc/nova-mdev-compat "${hook%/*}"
    paths >after
    diff before after
}

"$1"
