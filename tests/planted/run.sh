#!/usr/bin/env bash
# Faults that tests must find. Each tests/planted/NAME.patch puts one back into the source; before the diff it says what
# the fault does, and which tests of which suite must find it (`suite:`, `filter:`).
# Without --check: in a copy of the source the tests pass; with the fault in it at least one of them fails.
#   tests/planted/run.sh [--check] [--jobs N] [NAME]...
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
check='' jobs=$(nproc) names=()
while [ $# -gt 0 ]; do
    case $1 in
        --check) check=yes ;;
        --jobs) jobs=${2?}; shift ;;
        -*) echo "usage: tests/planted/run.sh [--check] [--jobs N] [NAME]..." >&2; exit 2 ;;
        *) names+=("$1") ;;
    esac
    shift
done
if [ ${#names[@]} -eq 0 ]; then
    for file in "$here"/*.patch; do names+=("$(basename "$file" .patch)"); done
fi
if ! command -v patch >/dev/null; then
    echo "patch(1) is not installed: apt-get install patch" >&2
    exit 2
fi

said() { sed -n "s/^$2: //p;/^--- /q" "$here/$1.patch"; }
fuzz=(-p1 --fuzz=0 --no-backup-if-mismatch)

for name in "${names[@]}"; do
    if [ ! -f "$here/$name.patch" ]; then
        echo "no planted fault is called $name; there are: $(cd "$here" && ls ./*.patch | sed 's|./||; s|.patch||' | tr '\n' ' ')" >&2
        exit 2
    fi
    suite=$(said "$name" suite) filter=$(said "$name" filter)
    if [ -z "$suite" ] || [ -z "$filter" ] || ! ls "$root/tests/$suite"/*.cpp >/dev/null 2>&1; then
        echo "$name.patch does not say which tests of which suite must find it" >&2
        exit 1
    fi
    if ! patch "${fuzz[@]}" --dry-run --force --silent -d "$root" -i "$here/$name.patch"; then
        echo "$name.patch does not apply any more: plant the fault anew in what stands there now" >&2
        exit 1
    fi
done
if [ -n "$check" ]; then
    echo "${#names[@]} planted faults apply"
    exit
fi

# The copy keeps its build, and its files their times, so that only what a fault touches is compiled again.
copy=$root/build/planted
mkdir -p "$copy"
find "$copy" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
tar -C "$root" --exclude=./build --exclude=./.git -cf - . | tar -C "$copy" -xf -
# Those may still be built with a fault in them.
for file in "$here"/*.patch; do
    sed -n 's|^+++ b/||p' "$file" | while IFS= read -r touched; do touch "$copy/$touched"; done
done
cd "$copy"
cmake --preset dev >/dev/null

# What runs the program depends on it.
build() { cmake --build --preset dev -j "$jobs" --target "$@" >build/log 2>&1 || { tail -n 40 build/log >&2; return 1; }; }
tests() { "build/dev/tests/test_$1" --gtest_filter="$2" --gtest_brief=1 >build/log 2>&1; }

suites=()
for name in "${names[@]}"; do suites+=("test_$(said "$name" suite)"); done
build "${suites[@]}"
failed=0
for name in "${names[@]}"; do
    suite=$(said "$name" suite) filter=$(said "$name" filter)
    if ! "build/dev/tests/test_$suite" --gtest_filter="$filter" --gtest_list_tests | grep -q '^  '; then
        echo "$name: no test of $suite is called $filter"; failed=1; continue
    fi
    if ! tests "$suite" "$filter"; then
        tail -n 40 build/log >&2
        echo "$name: $suite $filter fails without the fault"; failed=1; continue
    fi
    patch "${fuzz[@]}" --silent -i "$here/$name.patch"
    if ! build "test_$suite"; then
        echo "$name: does not compile with the fault in it"; failed=1
    elif tests "$suite" "$filter"; then
        echo "$name: NOT FOUND by $suite $filter"; failed=1
    else
        found=$(grep -c '^\[  FAILED  \] .*(.* ms)' build/log || true)
        # Anything else than a failed test is no finding.
        if [ "$found" -gt 0 ]; then echo "$name: found by $found of $suite $filter"; else tail -n 40 build/log >&2; echo "$name: the suite ended otherwise"; failed=1; fi
    fi
    patch "${fuzz[@]}" --silent -R -i "$here/$name.patch"
done
exit $failed
