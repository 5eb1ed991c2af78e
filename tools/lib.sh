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
    printf '%-40s ' "$label"
    : >"$log"
    if [ -t 1 ]; then
        tick "$label" "$log" &
        ticker=$!
        # shellcheck disable=SC2064  # this ticker, not a later one
        trap "kill $ticker 2>/dev/null || true" EXIT
    fi
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ -n "$ticker" ]; then
        kill "$ticker" 2>/dev/null || true
        wait "$ticker" 2>/dev/null || true
        trap - EXIT
        printf '\r\033[K%-40s ' "$label"
    fi
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
tick() {
    local start=$SECONDS last
    while sleep 1 && kill -0 $$ 2>/dev/null; do
        last=$(tail -n 1 "$2" | tr -cd '[:print:]' | cut -c 1-32)
        printf '\r\033[K%-40s %4d s  %s' "$1" "$((SECONDS - start))" "$last"
    done
}
