#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Build the Debian packages of deploy/debian from what is here now, into dist/:
#
#   tools/deb.sh            build
#   tools/deb.sh --check    build; run lintian; install, try and purge
#
# All of it happens in a clean root of SUITE (trixie; from MIRROR, by default the
# mirror of Debian that apt uses here), which mmdebstrap makes with the packages that deploy/debian/control names, Nova
# included. It is kept in .deb, and made anew when that list changes. What is
# done in it goes into memory and is gone afterwards. It has no network then.
# mmdebstrap and mount need root.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
. tools/lib.sh

SUITE=${SUITE:-trixie}
WORK=.deb
ROOT=$WORK/$SUITE
NAME=nova-mdev-compat
# The checks', besides what the packages need.
TOOLS=(lintian man-db python3-osc-placement systemd)

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n env PATH="$PATH" "$@"
    fi
}

# Print what must be there to build and to install, one package a line.
needed() {
    printf '%s\n' "${TOOLS[@]}"
    python3 - <<'PYTHON'
import re

text = open('deploy/debian/control', encoding='utf-8').read()
ours = re.findall(r'^Package: (.+)', text, re.M)
for field in re.findall(r'^(?:Build-)?Depends:(.*(?:\n .*)*)', text, re.M):
    for item in field.split(','):
        name = item.split()[0]
        if name not in ours and not name.startswith('$'):
            print(name)
PYTHON
}

# Print the mirror of Debian in apt's sources.
find_mirror() {
    # shellcheck disable=SC2016  # apt's variable
    apt-get indextargets --format '$(SITE)' 'Created-By: Packages' \
        'Label: Debian' 'Component: main' | head -n 1
}

# Called by "step", which turns "set -e" off.
make_root() {
    local wanted packages
    packages=$(needed | sort -u | paste -s -d ,)
    wanted="$MIRROR $packages"
    if [ -f "$ROOT.stamp" ] && [ "$(cat "$ROOT.stamp")" = "$wanted" ]; then
        return
    fi
    rm -f "$ROOT.stamp"
    as_root rm -rf "$ROOT"
    # Compiling all of Nova costs more than running a few commands of it.
    # shellcheck disable=SC2016  # mmdebstrap's shell has them
    as_root mmdebstrap --mode=root --variant=apt --format=directory \
        --include="$packages" --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --aptopt='Acquire::Languages "none"' \
        --essential-hook='chroot "$1" dpkg-divert --local --rename \
            --divert /usr/bin/py3compile.real --add /usr/bin/py3compile
            ln -s true "$1/usr/bin/py3compile"' \
        --customize-hook='rm "$1/usr/bin/py3compile"
            chroot "$1" dpkg-divert --local --rename \
                --remove /usr/bin/py3compile' \
        "$SUITE" "$ROOT" "deb $MIRROR $SUITE main" || return
    echo "$wanted" >"$ROOT.stamp"
}

# Lay out the source package in $WORK/source.
make_source() {
    local version maintainer
    # A tag v1.0.0rc1 is 1.0.0~rc1 in Debian: it comes before 1.0.0.
    version=$("$1" setup.py --version 2>/dev/null | tail -n 1 |
        sed -E 's/\.?(dev|a|b|rc)/~\1/')
    maintainer=$(sed -n 's/^Maintainer: //p' deploy/debian/control)
    rm -rf "$WORK/source" .eggs
    mkdir -p "$WORK/source"
    copy_source "$WORK/source"
    find "$WORK/source" -name __pycache__ -prune -exec rm -rf {} +
    cp -R deploy/debian "$WORK/source"
    cat >"$WORK/source/debian/changelog" <<CHANGELOG
$NAME ($version) $SUITE; urgency=medium

  * Built from commit $(git describe --always --abbrev=12 --dirty).

 -- $maintainer  $(git log -1 --format=%aD)
CHANGELOG
}

# in_root FUNCTION: run it in the root, of which it may change everything.
in_root() {
    as_root unshare --mount --pid --fork --net --propagation private \
        "$PWD/tools/deb.sh" --inside "$SUITE" "$(id -u):$(id -g)" "$1"
}

inside() {
    local owner=$1 memory=$PWD/$WORK/memory
    mkdir -p "$memory" dist
    mount -t tmpfs tmpfs "$memory"
    mkdir "$memory"/{upper,work,root}
    mount -t overlay overlay "$memory/root" -o \
        "lowerdir=$PWD/$ROOT,upperdir=$memory/upper,workdir=$memory/work"
    mount -t proc proc "$memory/root/proc"
    mount --rbind /dev "$memory/root/dev"
    mount -t sysfs -o ro sysfs "$memory/root/sys"
    mount -t tmpfs tmpfs "$memory/root/run"
    mkdir "$memory/root/build"
    cp -R "$WORK/source" "$memory/root/build"
    [ "$2" = build ] || cp dist/*.deb "$memory/root/build"
    chown -R 0:0 "$memory/root/build"
    cp tools/deb-steps.sh "$memory/root/build"
    env --ignore-environment HOME=/root LC_ALL=C.UTF-8 \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
        chroot "$memory/root" /build/deb-steps.sh "$2"
    if [ "$2" = build ]; then
        rm -f dist/*.deb
        cp "$memory/root/build"/*.deb dist
        chown "$owner" dist dist/*.deb
    fi
}

if [ "${1:-}" = --inside ]; then
    SUITE=$2 ROOT=$WORK/$2
    inside "$3" "$4"
    exit
fi
case ${1:-} in
'' | --check) ;;
*) die "usage: $0 [--check]" ;;
esac
tools/setup.sh
install_profiles package
MIRROR=${MIRROR:-$(find_mirror)}
[ -n "$MIRROR" ] || die 'No mirror of Debian is known here: run "apt-get update", or
on another distribution set MIRROR to the address of one.'
mkdir -p "$WORK"
make_source "$PWD/.venv/bin/python"
step "Clean root of $SUITE" make_root || exit 1
step 'Build and lintian' in_root build || exit 1
if [ "${1:-}" = --check ]; then
    step 'Installed, tried and purged' in_root try || exit 1
fi
printf 'note: %s\n' dist/*.deb
