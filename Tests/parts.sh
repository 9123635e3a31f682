# shellcheck shell=bash
# What every test group needs to run its parts and count them. Sourced from the repository's root.

# How often a part that fails is tried in all. One: whoever works on the code sees each failure. Continuous integration says 2, and
# tells of each part that passed only then: on two busy cores a process may stand still for longer than any patience.
attempts=${TEST_ATTEMPTS:-1}

passed=0
failed=0
part_log=$(mktemp "${TMPDIR:-/tmp}/modelexpress-part.XXXXXX") || exit 1
trap 'rm -f "$part_log"' EXIT

# is_current FOLDER: whether its programs are there, and no source is newer.
is_current() {
    [ -x "$1/modelexpress-sidecar" ] && [ -x "$1/modelexpress-server" ] && [ -x "$1/modelexpress" ] &&
        [ -z "$(find Sources Package.swift -newer "$1/modelexpress-sidecar" -type f -print -quit)" ]
}

# read_totals STATUS: sets part_passed and part_failed from the last 'N passed, N failed' of $part_log. A failure that was not
# counted is one failure.
read_totals() {
    read -r part_passed part_failed < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$part_log" | tail -n 1)
    part_passed=${part_passed:-0}
    part_failed=${part_failed:-0}
    [ "$1" -eq 0 ] || [ "$part_failed" -gt 0 ] || part_failed=1
}

# run_part NAME LIMIT_S COMMAND...: runs the command, which ends with the line 'N passed, N failed', and adds what it counted. One that
# takes longer than the limit hangs: it is ended as if by hand, so that it removes its processes, and has failed.
run_part() {
    local name=$1 limit_s=$2 attempt=1 status
    shift 2
    while true; do
        timeout -s INT -k 20 "$limit_s" "$@" 2>&1 | tee "$part_log"
        status=${PIPESTATUS[0]}
        [ "$status" -ne 124 ] || echo "FAILED  $name ran past $limit_s s and was ended"
        read_totals "$status"
        if [ "$part_failed" -eq 0 ]; then
            [ "$attempt" -eq 1 ] || echo "unsteady: $name passed when it was tried again"
            break
        fi
        [ "$attempt" -lt "$attempts" ] || break
        attempt=$((attempt + 1))
        printf '\n-- %s failed, and is tried again\n' "$name"
    done
    passed=$((passed + part_passed))
    failed=$((failed + part_failed))
}

# fail WHAT: ends the group with one more failure, and with the reason.
fail() {
    echo "FAILED  $1"
    failed=$((failed + 1))
    finish
}

# finish: the last line of a group, and its end.
finish() {
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
    exit $?
}
