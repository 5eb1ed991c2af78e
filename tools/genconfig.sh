#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Write the files that are made from the code: the sample configuration files
# and the command's help for the manual. With --check, only say whether they
# are as this would write them.
#
# argparse words and folds its help differently from one Python to the next,
# so that file is made, and checked, with one version only.

set -euo pipefail
cd "$(dirname "$0")/.."

HELP_PYTHON=3.11
HELP_FILE=doc/source/cli/nova-mdev-collector.help.txt

# generate DIRECTORY: write all files below it.
generate() {
    local file
    for file in tools/config-generator/*.conf; do
        mkdir -p "$1/etc/nova-mdev-compat"
        oslo-config-generator --config-file "$file" --output-file \
            "$1/etc/nova-mdev-compat/$(basename "$file").sample"
    done
    if [ "$(python_version)" != "$HELP_PYTHON" ]; then
        echo "note: left out $HELP_FILE: it is made with Python $HELP_PYTHON"
        return
    fi
    mkdir -p "$1/$(dirname "$HELP_FILE")"
    # Without a home there is no configuration file that would be named.
    HOME=/nonexistent COLUMNS=80 NO_COLOR=1 nova-mdev-collector --help \
        >"$1/$HELP_FILE"
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
