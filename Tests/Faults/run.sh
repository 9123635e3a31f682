#!/usr/bin/env bash
# Fault tests with real processes. The last line is 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

usage() {
    cat <<'TEXT'
usage: Tests/Faults/run.sh [--long] [NAME...]

Runs the named tests (default: all) with the programs in MX_PROGRAMS, else those of the release build where it is up
to date, else those of the debug build. Make a release build first with `swift build -c release`.

  fifty       50 sidecars (20 of a debug build) and a server on loopback: the server, its Redis and a third of the
              peers die
  partition   two network namespaces are parted and healed; needs root and iproute2, and is skipped without them
  flood       floods against one of three sidecars, by strangers and by certified neighbours, on all its ports
  --long      the server is away, and the namespaces are parted, for a minute; each flood lasts 20 s

Exit status: 0 all passed, 1 something failed, 2 usage.
TEXT
}

options=()
names=()
for argument in "$@"; do
    case "$argument" in
    --help | -h)
        usage
        exit 0
        ;;
    --long) options+=(--long) ;;
    fifty | partition | flood) names+=("$argument") ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done
[ "${#names[@]}" -gt 0 ] || names=(fifty partition flood)

# Longest time a test may take before it counts as hanging.
limit_s=280
# is_current FOLDER: whether its programs are there, and no source is newer.
is_current() {
    [ -x "$1/modelexpress-sidecar" ] && [ -x "$1/modelexpress-server" ] && [ -x "$1/modelexpress" ] &&
        [ -z "$(find Sources Package.swift -newer "$1/modelexpress-sidecar" -type f -print -quit)" ]
}

programs=${MX_PROGRAMS:-}
fifty_options=()
if [ -z "$programs" ] && is_current .build/release; then
    programs=.build/release
elif [ -z "$programs" ]; then
    programs=.build/debug
    fifty_options=(--debug-build)
fi
log=$(mktemp "${TMPDIR:-/tmp}/modelexpress-faults.XXXXXX") || exit 1
trap 'rm -f "$log"' EXIT
passed=0
failed=0

# A test that hangs is ended as if by hand, so that it removes its processes and namespaces.
run_test() {
    local status ok bad own=()
    [ "$1" != fifty ] || own=("${fifty_options[@]}")
    printf '\n-- %s (%s)\n' "$1" "$programs"
    timeout -s INT -k 20 "$limit_s" python3 -B "Tests/Faults/$1.py" --programs "$programs" "${options[@]}" \
        "${own[@]}" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    [ "$status" -ne 124 ] || echo "$1: ran past $limit_s s and was ended"
    read -r ok bad < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -n 1)
    ok=${ok:-0}
    bad=${bad:-0}
    [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    passed=$((passed + ok))
    failed=$((failed + bad))
}

if ! command -v python3 >/dev/null 2>&1; then
    echo "skipped: there is no python3"
elif [ ! -x "$programs/modelexpress-sidecar" ]; then
    echo "no programs in $programs: run \`swift build\`, or set MX_PROGRAMS"
    failed=1
else
    for name in "${names[@]}"; do run_test "$name"; done
fi
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
