#!/usr/bin/env bash
# Sets up, builds and tests ModelExpress on a Debian 12 that has Swift 6.3. The last line is 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. deploy/prerequisites.sh

# Longest time the unit and integration tests may take before they count as hanging.
test_limit_s=1200
# The further test groups, and the folder under Tests/ whose run.sh each one runs.
groups=(faults rdma simulation grpc vllm page)
declare -A group_folder=([faults]=Faults [rdma]=RDMA [simulation]=Simulation [grpc]=GRPC [vllm]=VLLM [page]=Page)

usage() {
    cat <<'TEXT'
usage: Tests/run.sh [--only] [--faults] [--rdma] [--simulation] [--grpc] [--vllm] [--page]

Without a flag: installs missing Debian packages, builds once, checks the format, runs all unit and
integration tests (those that drive the built programs included).

  --faults      then the fault tests (Tests/Faults/run.sh)
  --rdma        then the tests over RDMA devices (Tests/RDMA/run.sh)
  --simulation  then the simulations (Tests/Simulation/run.sh)
  --grpc        then the public gRPC API (Tests/GRPC/run.sh)
  --vllm        then the tests against vLLM (Tests/VLLM/run.sh)
  --page        then the server's page in a headless browser (Tests/Page/run.sh)
  --only        runs the named groups alone, on what is already built
  --help        this text

Exit status: 0 all passed, 1 something failed, 2 usage. The last line is 'N passed, N failed'; a step that
fails without counting tests (build, format) counts as one failure.
TEXT
}

wanted=()
only=false
for argument in "$@"; do
    case "$argument" in
    --help | -h)
        usage
        exit 0
        ;;
    --only) only=true ;;
    --*)
        if [ -z "${group_folder[${argument#--}]+known}" ]; then
            printf 'Tests/run.sh: unknown flag %s\n\n' "$argument" >&2
            usage >&2
            exit 2
        fi
        wanted+=("${argument#--}")
        ;;
    *)
        printf 'Tests/run.sh: unexpected argument %s\n\n' "$argument" >&2
        usage >&2
        exit 2
        ;;
    esac
done
if $only && [ "${#wanted[@]}" -eq 0 ]; then
    printf 'Tests/run.sh: --only needs at least one of:%s\n\n' "$(printf ' --%s' "${groups[@]}")" >&2
    usage >&2
    exit 2
fi

passed=0
failed=0
timings=()
log=$(mktemp "${TMPDIR:-/tmp}/modelexpress-tests.XXXXXX") || exit 1
trap 'rm -f "$log"' EXIT

# step NAME COMMAND...: runs it, notes how long it took, says so when it failed, and returns its status.
step() {
    local name=$1 start=$SECONDS status=0
    shift
    printf '\n== %s\n' "$name"
    "$@" || status=$?
    timings+=("$(printf '%6d s  %s' $((SECONDS - start)) "$name")")
    [ "$status" -eq 0 ] || printf 'Tests/run.sh: step failed: %s (status %d)\n' "$name" "$status"
    return "$status"
}

# finish: prints timings and totals, and ends the script.
finish() {
    printf '\nSteps:\n'
    [ "${#timings[@]}" -eq 0 ] || printf '%s\n' "${timings[@]}"
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
    exit $?
}

# must NAME COMMAND...: a step nothing can go on without.
must() {
    step "$@" || {
        failed=$((failed + 1))
        finish
    }
}

# Adds up what Swift Testing wrote to $log. The total is in its summary (skipped tests included); without one (the
# process crashed or was cut off) the tests seen to end are counted.
count_swift_tests() {
    awk '
        /^[^ ]+ Test run with [0-9]+ tests? / { total = $5; next }
        /^[^ ]+ Test .* failed after [0-9.]+ seconds/ { failed++ }
        /^[^ ]+ Test .* passed after [0-9.]+ seconds/ { ended++ }
        /^[^ ]+ Test .* skipped(:|\.)/ { skipped++ }
        END { print (total == "" ? ended + 0 : total - failed - skipped), failed + 0, skipped + 0 }
    ' "$log"
}

# One test after the other: many of them hold sockets, threads or a Redis, and two cores don't carry hundreds at once.
swift_tests() {
    timeout --foreground -s INT -k 30 "$test_limit_s" swift test --skip-build --no-parallel "$@" 2>&1 | tee "$log"
    local status=${PIPESTATUS[0]} ok bad skipped
    [ "$status" -ne 124 ] || echo "Tests/run.sh: the tests ran past $test_limit_s s and were ended"
    read -r ok bad skipped < <(count_swift_tests)
    [ "$skipped" -eq 0 ] || echo "Tests/run.sh: $skipped tests were skipped, and count as neither passed nor failed"
    if [ "$status" -eq 0 ] && [ "$ok" -eq 0 ]; then
        echo "Tests/run.sh: no test was run"
        status=1
    fi
    [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    passed=$((passed + ok))
    failed=$((failed + bad))
    return "$status"
}

# run_group NAME: a group's own script prints 'N passed, N failed' as its last line.
run_group() {
    local script="Tests/${group_folder[$1]}/run.sh" status=0 ok bad
    "$script" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    read -r ok bad < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -n 1)
    ok=${ok:-0}
    bad=${bad:-0}
    [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    passed=$((passed + ok))
    failed=$((failed + bad))
    [ "$status" -eq 0 ] && [ "$bad" -eq 0 ]
}

must "Swift toolchain" require_swift
must "Debian packages" install_missing "${library_packages[@]}" "${runtime_packages[@]}" "${test_packages[@]}"
if ! $only; then
    must "build" swift build --build-tests
    step "format" swift format lint --strict --parallel --recursive Sources Tests Package.swift ||
        failed=$((failed + 1))
    step "unit and shell tests" swift_tests --skip EndToEndTests
    step "a real model for the end-to-end tests" Tests/EndToEndTests/fetch-model.sh ||
        echo "Tests/run.sh: without it the tests with a real model are skipped"
    step "end-to-end tests" swift_tests --filter EndToEndTests
fi
for group in "${wanted[@]}"; do
    if [ -x "Tests/${group_folder[$group]}/run.sh" ]; then
        step "--$group" run_group "$group"
    else
        echo "--$group: nothing here yet"
    fi
done
finish
