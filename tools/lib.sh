# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the other scripts: steps that show one line each.

# Full output of every step, one file each.
LOGS=.check/logs
mkdir -p "$LOGS"

die() {
    printf '\nerror: %s\n' "$*" >&2
    exit 1
}

# step LABEL COMMAND...: run a command and show one line; its output goes into
# a file, the end of which is shown when it fails. Returns its status.
step() {
    local label=$1 log ticker='' status=0 start=$SECONDS
    shift
    log="$LOGS/${label//[^A-Za-z0-9]/-}.log"
    : >"$log"
    if [ -t 1 ]; then
        tick "$label" "$log" &
        ticker=$!
    fi
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ -n "$ticker" ]; then
        kill "$ticker" 2>/dev/null || true
        wait "$ticker" 2>/dev/null || true
        printf '\r\033[K'
    fi
    printf '%-40s ' "$label"
    if [ "$status" -eq 0 ]; then
        printf 'ok      %4d s\n' "$((SECONDS - start))"
        # What a step wants known though it went well.
        grep '^note: ' "$log" || true
    else
        printf 'FAILED  %4d s\n' "$((SECONDS - start))"
        printf -- '--- from %s\n' "$log"
        show "$log"
        printf -- '---\n'
    fi
    return "$status"
}

# Show what a log says about a failure: what stands after the last SUMMARY, and
# otherwise its end.
SUMMARY='=== summary'
show() {
    local line
    line=$(grep -n -x -e "$SUMMARY" "$1" | tail -n 1 | cut -d : -f 1)
    tail -n "+$((${line:-0} + 1))" "$1" | tail -n "${LOG_LINES:-60}"
}

# On a terminal, show that something goes on: seconds, and the log's last line.
# It ends with the script.
tick() {
    local start=$SECONDS last
    while sleep 1 && kill -0 $$ 2>/dev/null; do
        last=$(tail -n 1 "$2" | tr -cd '[:print:]' | cut -c 1-32)
        printf '\r\033[K%-40s %4d s  %s' "$1" "$((SECONDS - start))" "$last"
    done
}

# install_system PACKAGE...: with apt-get, through sudo unless run by root.
install_system() {
    local as_root=(env)
    command -v apt-get >/dev/null ||
        die "Install these packages with this system's package manager, then
run this again: $*"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "System packages are missing. As root:
apt-get update && apt-get install $*"
        as_root=(sudo)
        # Asks for a password here, not in the middle of a quiet step.
        if [ -t 0 ]; then sudo -v; else as_root=(sudo -n); fi
    fi
    as_root+=(DEBIAN_FRONTEND=noninteractive apt-get
        -o DPkg::Lock::Timeout=300 --quiet)
    step 'apt-get update' "${as_root[@]}" update || exit 1
    echo "System packages: $*"
    step 'apt-get install' "${as_root[@]}" install --yes \
        --no-install-recommends "$@" || exit 1
}

# install_profiles PROFILE...: what bindep.txt names and is missing.
install_profiles() {
    local missing
    # bindep's status is 1 when something is missing.
    missing=$(.venv/bin/bindep --brief "$@") || true
    # shellcheck disable=SC2086  # one word a package
    [ -z "$missing" ] || install_system $missing
}

# pip_install VENV CONSTRAINTS ARGUMENT...: in the versions of a file. Source
# packages are built with the setuptools that it pins.
pip_install() {
    "$1/bin/python" -m pip --disable-pip-version-check install \
        --constraint "$2" --use-pep517 --no-build-isolation "${@:3}"
}

# copy_source DIRECTORY: all that a build needs, as it is here now.
copy_source() {
    cp -R --parents LICENSE README.rst doc/man etc nova_mdev_compat \
        pyproject.toml requirements.txt setup.cfg setup.py "$1"
}

# make_wheel PYTHON DIRECTORY: build this package's wheel from what is here now.
# It is built in a copy: the .egg-info that a build leaves would hide newer
# entry points from whatever runs in this directory.
make_wheel() {
    local copy=$2/source
    rm -rf "$2"
    mkdir -p "$copy"
    copy_source "$copy"
    # pbr takes the version and the list of files from git.
    GIT_DIR=$(git rev-parse --absolute-git-dir) "$1" -m pip \
        --disable-pip-version-check wheel --no-deps --no-build-isolation \
        --wheel-dir "$2" "$copy"
}
