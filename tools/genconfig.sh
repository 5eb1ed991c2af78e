#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Write the files that are made from the code: the sample configuration files,
# the commands' help for the manual, the manual pages, which the wheel contains,
# and what the commands of two pages about rules print.
# With --check, only say whether they are as this would write them.
#
# argparse words and folds its help differently from one Python to the next,
# so those files are made, and checked, with one version only.

set -euo pipefail
cd "$(dirname "$0")/.."

HELP_PYTHON=3.11
TUTORIAL=doc/source/operator/tutorial
NEW_BOARD=doc/source/operator/new-board
HELP=doc/source/cli
MAN=doc/man
HELP_OF=(nova-mdev-collector nova-mdev-annotator nova-mdev-guard)

# generate DIRECTORY: write all files below it.
generate() {
    local file command
    for file in tools/config-generator/*.conf; do
        mkdir -p "$1/etc/nova-mdev-compat"
        oslo-config-generator --config-file "$file" --output-file \
            "$1/etc/nova-mdev-compat/$(basename "$file").sample"
    done
    tutorial "$1/$TUTORIAL"
    new_board "$1/$NEW_BOARD"
    if [ "$(python_version)" != "$HELP_PYTHON" ]; then
        echo "note: left out the commands' help and the manual pages: they are" \
            "made with Python $HELP_PYTHON"
        return
    fi
    mkdir -p "$1/$HELP"
    for command in "${HELP_OF[@]}"; do
        # Without a home there is no configuration file that would be named.
        HOME=/nonexistent COLUMNS=80 NO_COLOR=1 "$command" --help \
            >"$1/$HELP/$command.help.txt"
    done
    manual "$1/$MAN"
}

# manual DIRECTORY: write the manual pages. Without a date, because they do not
# change from day to day.
manual() {
    local work section
    work=$(mktemp -d)
    sphinx-build -W --keep-going --quiet --no-color -b man -D today=' ' \
        -d "$work/doctrees" doc/source "$work/man"
    for section in 1 8; do
        mkdir -p "$1/man$section"
        mv "$work"/man/*."$section" "$1/man$section"
    done
    rm -r "$work"
}

# tutorial DIRECTORY: write what the commands of the tutorial print.
tutorial() {
    local work
    work=$(workshop recordings "$TUTORIAL")
    show explain-before explain --hosts recordings \
        --source gpu-1 --target gpu-3
    show explain-unknown explain --hosts recordings \
        --source gpu-3 --target gpu-5
    show validate validate rules.d
    show explain-after explain --hosts recordings --rules rules.d \
        --source gpu-1 --target gpu-3
    show explain-back explain --hosts recordings --rules rules.d \
        --source gpu-3 --target gpu-1
    show diff diff before rules.d --hosts recordings
    mkdir -p "$1"
    mv "$work"/*.txt "$1"
    rm -r "$work"
}

# new_board DIRECTORY: the same for "A rule for a new board".
new_board() {
    local work
    work=$(workshop recordings-new-board "$NEW_BOARD")
    show before explain --hosts recordings --source a100-1 --target a100-3
    show validate validate rules.d
    show after explain --hosts recordings --rules rules.d \
        --source a100-1 --target a100-3
    show diff diff before rules.d --hosts recordings
    mkdir -p "$1"
    mv "$work"/*.txt "$1"
    rm -r "$work"
}

# workshop RECORDINGS PAGE: print a directory with what the commands read.
workshop() {
    local work
    work=$(mktemp -d)
    ln -s "$PWD/tests/data/$1" "$work/recordings"
    ln -s "$PWD/etc/nova-mdev-compat/rules.d" "$work/before"
    cp -R etc/nova-mdev-compat/rules.d "$work/rules.d"
    cp "$2"/rules.d/* "$work/rules.d"
    echo "$work"
}

# show NAME ARGUMENT...: run a command in "$work", into a file.
show() {
    local file=$work/$1.txt status=0
    shift
    echo "\$ nova-mdev-rules $*" >"$file"
    (cd "$work" && CLIFF_MAX_TERM_WIDTH=90 nova-mdev-rules "$@") \
        >>"$file" 2>&1 || status=$?
    # 1 is an answer, too.
    [ "$status" -le 1 ] || cat "$file"
    return "$((status > 1))"
}

python_version() {
    python -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

check() {
    local fresh file status=0
    fresh=$(mktemp -d)
    # shellcheck disable=SC2064  # its value now
    trap "rm -rf '$fresh'" EXIT
    generate "$fresh"
    while IFS= read -r file; do
        diff -u "$file" "$fresh/$file" || status=1
    done < <(cd "$fresh" && find . -type f | sort)
    [ "$status" -eq 0 ] || echo 'Stale: run "make genconfig", and commit.'
    return "$status"
}

case ${1:-} in
'') generate . ;;
--check) check ;;
*) echo "usage: $0 [--check]" >&2 && exit 2 ;;
esac
