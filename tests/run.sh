#!/usr/bin/env bash
# Installs what is missing, builds and runs the tests. No options: the lanes dev and asan, one after the other.
set -euo pipefail

usage() {
    cat <<'TEXT'
tests/run.sh [--lane dev|asan|tsan]... [--only REGEX] [--jobs N] [--all] [--no-install]
    --lane LANE     build and test this preset; may be given more than once (default: dev, then asan)
    --fast          the same as --lane dev
    --only REGEX    only the suites whose name matches
    --jobs N        compilers at a time (default: one a core); four suites run at a time: they wait more than they work
    --all           every test in a sanitizer lane, too: without it every fifth one of those that need a server
    --no-install    do not look for missing packages
    --fuzz [SECONDS]  instead of the tests: libFuzzer (clang) on the plan reader, 30 s; what it found is kept in build/fuzz
    --abuse [FILTER]  instead of the tests: every abuse of docs/reliability.md in full (hours), or those of a gtest filter;
                      WEIR_ABUSE_ROUNDS=N for so many rounds of each, WEIR_TEST_SEED=S for the same choices again
    --golden all      instead of the tests: every golden program undone after each step, and each step forward, back and
                      forward, on a server (an hour)
    --planted [NAME]  instead of the tests: each fault of tests/planted, or the one of that name, is put into a copy of
                      the source, and the tests that must find it are run
TEXT
}

cd "$(dirname "$0")/.."
lanes=() only='' sample=() jobs=$(nproc) install=yes fuzz='' abuse='' planted='' golden=''
while [ $# -gt 0 ]; do
    case $1 in
        --lane) case ${2-} in dev | asan | tsan) lanes+=("$2") ;; *) usage >&2; exit 2 ;; esac; shift ;;
        --fast) lanes+=(dev) ;;
        --only) only=${2?}; shift ;;
        --jobs) jobs=${2?}; shift ;;
        --all) sample=(-DWEIR_SAMPLE=1) ;;
        --no-install) install=no ;;
        --fuzz) fuzz=30; if [[ ${2-} =~ ^[0-9]+$ ]]; then fuzz=$2; shift; fi ;;
        --abuse) abuse='*'; if [[ ${2-} =~ ^[^-] ]]; then abuse=$2; shift; fi ;;
        --golden) [ "${2-}" = all ] || { usage >&2; exit 2; }; golden=all; shift ;;
        --planted) planted=all; if [[ ${2-} =~ ^[^-] ]]; then planted=$2; shift; fi ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
[ ${#lanes[@]} -gt 0 ] || lanes=(dev asan)

if [ $install = yes ]; then
    . examples/install.sh
    install_missing build tests ${fuzz:+fuzz}
fi

if [ -n "$fuzz" ]; then
    cmake --preset fuzz
    cmake --build --preset fuzz -j "$jobs"
    found=build/fuzz/found seeds=build/fuzz/seeds
    mkdir -p "$found" "$seeds"
    # The plans of the tests, each under its checksum.
    find tests/golden tests/plans examples -name '*.yaml' -print0 | while IFS= read -r -d '' plan; do
        cp "$plan" "$seeds/$(sha1sum <"$plan" | cut -d ' ' -f 1)"
    done
    # libpg_query keeps memory for its thread until the end.
    ASAN_OPTIONS=detect_leaks=0 build/fuzz/tests/fuzz_plan_reader -max_total_time="$fuzz" -max_len=8192 -timeout=10 \
        -artifact_prefix=build/fuzz/ "$found" "$seeds"
    exit
fi

# A finding ends the program at once; leaks count, save libpqxx's own.
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
# The tests decide whom they talk to, not the caller's libpq settings.
unset PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGSERVICE PGOPTIONS PGDATA PGSSLMODE
export LC_ALL=C.UTF-8

if [ -n "$abuse" ]; then
    cmake --preset dev
    cmake --build --preset dev -j "$jobs" --target weir test_abuse
    # A filter that means none of them is a slip, and not a success.
    if ! build/dev/tests/test_abuse --gtest_filter="$abuse" --gtest_list_tests | grep -q '^  '; then
        echo "no abuse is called $abuse" >&2
        exit 2
    fi
    WEIR_ABUSE=full exec build/dev/tests/test_abuse --gtest_filter="$abuse"
fi

if [ -n "$golden" ]; then
    cmake --preset dev
    cmake --build --preset dev -j "$jobs" --target test_golden
    WEIR_TEST_LONG=1 exec build/dev/tests/test_golden
fi

if [ -n "$planted" ]; then
    if [ "$planted" = all ]; then exec tests/planted/run.sh --jobs "$jobs"; fi
    exec tests/planted/run.sh --jobs "$jobs" "$planted"
fi

failed=()
for lane in "${lanes[@]}"; do
    echo "== $lane: build"
    cmake --preset "$lane" "${sample[@]}"
    cmake --build --preset "$lane" -j "$jobs"
    echo "== $lane: tests"
    ctest --test-dir "build/$lane" -j 4 --output-on-failure --no-tests=error ${only:+-R "$only"} || failed+=("$lane")
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "== failed: ${failed[*]}"
    exit 1
fi
echo "== all tests passed: ${lanes[*]}"
