#!/usr/bin/env bash
# Runs libFuzzer over every decoder that reads what a stranger sent. A crash is kept in Tests/Fuzzing/failures/NAME, from
# where each later run replays it first. The last line is 'N passed, N failed', counted in fuzz targets.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. deploy/prerequisites.sh

# Longest time and most memory for one input.
input_limit_s=10
memory_limit_mb=2048

usage() {
    cat <<'TEXT'
usage: Tests/Fuzzing/run.sh [--seconds N] [NAME...]

Fuzzes each named target (default: all) for N seconds (default 20), starting from Tests/Fuzzing/corpus/NAME.
TEXT
}

seconds=20
names=()
while [ $# -gt 0 ]; do
    case "$1" in
    --help | -h)
        usage
        exit 0
        ;;
    --seconds)
        [[ "${2:-}" =~ ^[1-9][0-9]*$ ]] || {
            usage >&2
            exit 2
        }
        seconds=$2
        shift
        ;;
    -*)
        usage >&2
        exit 2
        ;;
    *) names+=("$1") ;;
    esac
    shift
done

# The crash handler of the Swift runtime and AddressSanitizer trip over each other; the runtime itself leaks at its end.
export SWIFT_BACKTRACE=enable=no
export ASAN_OPTIONS=detect_leaks=0

require_swift && install_missing "${library_packages[@]}" || exit 1

# The replaying build knows the names. The fuzzing build has libFuzzer's own main and flags. --sanitize=fuzzer alone
# links libFuzzer but leaves Swift code without the coverage counters that guide it.
fuzzing=(--traits Fuzzing --sanitize=fuzzer --sanitize=address -c release --scratch-path .build-fuzz
    -Xswiftc -sanitize-coverage=edge,inline-8bit-counters,pc-table,trace-cmp)
swift build --disable-default-traits --product FuzzRecords || exit 1
known=$("$(swift build --disable-default-traits --show-bin-path)/FuzzRecords" --list) || exit 1
swift build --product FuzzRecords "${fuzzing[@]}" || exit 1
program="$(swift build "${fuzzing[@]}" --show-bin-path)/FuzzRecords"

for name in "${names[@]}"; do
    grep -qxF -- "$name" <<<"$known" || {
        printf 'Tests/Fuzzing/run.sh: no fuzz target %s; there are:\n%s\n' "$name" "$known" >&2
        exit 2
    }
done
[ "${#names[@]}" -gt 0 ] || mapfile -t names <<<"$known"

work=$(mktemp -d "${TMPDIR:-/tmp}/modelexpress-fuzz.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT

# fuzz NAME: what libFuzzer learns goes to a folder of this run; corpus and earlier failures are only read.
fuzz() {
    local name=$1 seeds=() folder status
    local failures="Tests/Fuzzing/failures/$name"
    mkdir -p "$work/$name/found" "$work/$name/crashes"
    for folder in "Tests/Fuzzing/corpus/$name" "$failures"; do
        [ ! -d "$folder" ] || seeds+=("$folder")
    done
    MX_FUZZ_TARGET=$name "$program" -max_total_time="$seconds" -timeout="$input_limit_s" \
        -rss_limit_mb="$memory_limit_mb" -artifact_prefix="$work/$name/crashes/" -print_final_stats=1 \
        "$work/$name/found" "${seeds[@]}" >"$work/$name/log" 2>&1
    status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$work/$name/log"
        mkdir -p "$failures"
        cp "$work/$name/crashes/"* "$failures/" 2>/dev/null
        printf '%s: FAILED (status %d); the input is kept in %s\n' "$name" "$status" "$failures"
        return 1
    fi
    printf '%s: %s runs, %s new inputs\n' "$name" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$name/log")" \
        "$(find "$work/$name/found" -type f | wc -l)"
}

passed=0
failed=0
for name in "${names[@]}"; do
    if fuzz "$name"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
