#!/usr/bin/env bash
# Writes what each suite took in the newest run of the lanes dev and asan into the table of docs/testing.md.
#   tests/times.sh [BUILD_FOLDER]        default: build
set -euo pipefail

cd "$(dirname "$0")/.."
build=${1:-build} page=docs/testing.md

# Seconds of all entries of a suite: `golden-1`, `golden-2`, …
took() {
    local log=$build/$1/Testing/Temporary/LastTest.log
    [ -f "$log" ] || return 0
    awk -v suite="$2" '
        / Testing: / { name = $NF; sub(/-[0-9]+$/, "", name) }
        /^Test time = / { if (name == suite) { sum += $4; found = 1 } }
        END { if (found) printf "%.1f", sum / 60 }' "$log"
}

new=$(mktemp)
trap 'rm -f "$new"' EXIT
while IFS= read -r line; do
    if [[ $line =~ ^\|\ \`([a-z_]+)\`\ \|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|$ ]]; then
        suite=${BASH_REMATCH[1]} what=${BASH_REMATCH[2]} budget=${BASH_REMATCH[3]}
        dev=$(took dev "$suite") asan=$(took asan "$suite")
        line="| \`$suite\` |$what|$budget| ${dev:-${BASH_REMATCH[4]// /}} | ${asan:-${BASH_REMATCH[5]// /}} |"
    fi
    printf '%s\n' "$line"
done <"$page" >"$new"
cat "$new" >"$page"
