#!/usr/bin/env bash
# Sets up, builds and tests ModelExpress on a Debian 12 that has Swift 6.3. The last line is 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. deploy/prerequisites.sh
. Tests/parts.sh

# Longest time the unit and integration tests may take before they count as hanging.
test_limit_s=1200
# Without the default trait GRPC, which is most of a build and changes how every room is compiled. Its logic (EnginePool, the pool's
# store and keeper) is built and tested all the same; what speaks gRPC is built and tested by Tests/GRPC/run.sh, in .build-grpc.
traits=(--disable-default-traits)
# The further test groups, and the folder under Tests/ whose run.sh each one runs.
groups=(faults rdma simulation grpc vllm pod page)
declare -A group_folder=([faults]=Faults [rdma]=RDMA [simulation]=Simulation [grpc]=GRPC [vllm]=VLLM [pod]=Pod [page]=Page)

usage() {
    cat <<'TEXT'
usage: Tests/run.sh [--only] [--faults] [--rdma] [--simulation] [--grpc] [--vllm] [--pod] [--page]

Without a flag: installs missing Debian packages, builds once, checks the format, runs all unit and
integration tests (those that drive the built programs included).

  --faults      then the fault tests (Tests/Faults/run.sh)
  --rdma        then the tests over RDMA devices (Tests/RDMA/run.sh)
  --simulation  then the simulations (Tests/Simulation/run.sh)
  --grpc        then the public gRPC API (Tests/GRPC/run.sh)
  --vllm        then the tests against vLLM (Tests/VLLM/run.sh)
  --pod         then the Kubernetes pods, played on this machine (Tests/Pod/run.sh)
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

timings=()
# What each Swift test came to, for the ones to try again (SwiftPM puts -swift-testing before the ending).
swift_results=.build/test-results.xml

# step NAME COMMAND...: runs it, notes how long it took, says so when it failed, and returns its status.
step() {
    local name=$1 start=$SECONDS status=0
    shift
    printf '\n== %s\n' "$name"
    "$@" || status=$?
    timings+=("$(printf '%6d s  %s' $((SECONDS - start)) "$name")")
    [ "$status" -eq 0 ] || printf 'FAILED  the step %s, with status %d\n' "$name" "$status"
    return "$status"
}

# end: prints timings and totals, and ends the script.
end() {
    printf '\nSteps:\n'
    [ "${#timings[@]}" -eq 0 ] || printf '%s\n' "${timings[@]}"
    finish
}

# must NAME COMMAND...: a step nothing can go on without.
must() {
    step "$@" || {
        failed=$((failed + 1))
        end
    }
}

# What the last run of Swift tests counted, from the summary in $part_log (skipped tests included there); without one (the process
# crashed or was cut off) the tests seen to end.
count_swift_tests() {
    awk '
        /^[^ ]+ Test run with [0-9]+ tests? / { total = $5; next }
        /^[^ ]+ Test .* failed after [0-9.]+ seconds/ { failed++ }
        /^[^ ]+ Test .* passed after [0-9.]+ seconds/ { ended++ }
        /^[^ ]+ Test .* skipped(:|\.)/ { skipped++ }
        END { print (total == "" ? ended + 0 : total - failed - skipped), failed + 0, skipped + 0 }
    ' "$part_log"
}

# failed_swift_tests: of the last run, as a regular expression for --filter; nothing where it wrote no results.
failed_swift_tests() {
    local results=${swift_results%.xml}-swift-testing.xml
    [ -s "$results" ] || return 0
    awk '
        /<testcase / { split($0, part, "\""); test = part[2] "/" part[4] }
        /<failure/ { if (!(test in seen)) { seen[test]; gsub(/[().\/]/, "[&]", test); list = list (list == "" ? "" : "|") "^" test } }
        END { print list }
    ' "$results"
}

# One test after the other: many of them hold sockets, threads or a Redis, and two cores don't carry hundreds at once.
run_swift_tests() {
    rm -f "${swift_results%.xml}"*.xml
    timeout --foreground -s INT -k 30 "$test_limit_s" swift test "${traits[@]}" --skip-build --no-parallel \
        --xunit-output "$swift_results" "$@" 2>&1 | tee "$part_log"
    local status=${PIPESTATUS[0]}
    [ "$status" -ne 124 ] || echo "FAILED  the tests ran past $test_limit_s s and were ended"
    return "$status"
}

swift_tests() {
    local status=0 ok bad skipped names again unsteady
    run_swift_tests "$@" || status=$?
    read -r ok bad skipped < <(count_swift_tests)
    [ "$skipped" -eq 0 ] || echo "Tests/run.sh: $skipped tests were skipped, and count as neither passed nor failed"
    if [ "$status" -eq 0 ] && [ "$ok" -eq 0 ]; then
        echo "Tests/run.sh: no test was run"
        status=1
    fi
    [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    names=$(failed_swift_tests)
    if [ "$attempts" -gt 1 ] && [ "$bad" -gt 0 ] && [ -n "$names" ]; then
        printf '\n-- %d failed, and are tried again\n' "$bad"
        run_swift_tests --filter "$names" && status=0
        read -r again _ < <(count_swift_tests)
        unsteady=$((again < bad ? again : bad))
        ok=$((ok + unsteady))
        bad=$((bad - unsteady))
        [ "$unsteady" -eq 0 ] || echo "unsteady: $unsteady tests passed when they were tried again"
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    return "$status"
}

# run_group NAME: a group's own script prints 'N passed, N failed' as its last line.
run_group() {
    "Tests/${group_folder[$1]}/run.sh" 2>&1 | tee "$part_log"
    read_totals "${PIPESTATUS[0]}"
    passed=$((passed + part_passed))
    failed=$((failed + part_failed))
    [ "$part_failed" -eq 0 ]
}

must "Swift toolchain" require_swift
must "Debian packages" install_missing "${library_packages[@]}" "${runtime_packages[@]}" "${test_packages[@]}"
if ! $only; then
    must "build" swift build "${traits[@]}" --build-tests
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
end
