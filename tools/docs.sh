#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Build the documentation and the release notes, with warnings as errors, and
# check the pages. Release notes need git's history. tools/genconfig.sh writes
# the manual pages.

set -euo pipefail
cd "$(dirname "$0")/.."

build() {
    local builder=$1 source=$2 output=$3
    sphinx-build -W --keep-going --quiet --no-color -b "$builder" \
        -d "$output/doctrees-$builder" "$source" "$output/$builder"
}

build html doc/source doc/build
build html releasenotes/source releasenotes/build
python tools/check_html.py doc/build/html releasenotes/build/html
echo 'note: doc/build/html/index.html releasenotes/build/html'
