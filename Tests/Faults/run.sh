#!/usr/bin/env bash
# Fault tests with real processes. The last line is 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. Tests/parts.sh

usage() {
    cat <<'TEXT'
usage: Tests/Faults/run.sh [--long] [NAME...]

Runs the named tests (default: all but `simulated`) with the programs in MX_PROGRAMS, else those of the release build where it is up
to date, else those of the debug build. Make a release build first with `swift build -c release`.

  fifty       50 sidecars (20 of a debug build) and a server on loopback: the server, its Redis and a third of the
              peers die
  partition   two network namespaces are parted and healed; needs root and iproute2, and is skipped without them
  redis       Redis dies, stalls, is emptied, old, full, read-only and slow under a server; two servers on one Redis with 500
              publishers and random kills; the embedded Redis of a killed server (--long: 2,000 publishers)
  crowd       16 sources and 32 targets at once on small links: slots, completion, fairness
  zones       six targets of one zone take a model from four sources of another: what crosses; needs root, and is skipped without
  simulated   20 and 50 sidecars and a server on loopback hear what the simulator says, within a factor of two; three
              minutes, for who works on the simulator
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
    fifty | partition | redis | crowd | zones | simulated | flood) names+=("$argument") ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done
[ "${#names[@]}" -gt 0 ] || names=(fifty partition redis crowd zones flood)

# Longest time a test may take before it counts as hanging.
limit_s=480
programs=${MX_PROGRAMS:-}
fifty_options=()
if [ -z "$programs" ] && is_current .build/release; then
    programs=.build/release
elif [ -z "$programs" ]; then
    programs=.build/debug
    fifty_options=(--debug-build)
fi

run_test() {
    local own=()
    [ "$1" != fifty ] || own=("${fifty_options[@]}")
    printf '\n-- %s (%s)\n' "$1" "$programs"
    run_part "$1" "$limit_s" python3 -B "Tests/Faults/$1.py" --programs "$programs" "${options[@]}" "${own[@]}"
}

if ! command -v python3 >/dev/null 2>&1; then
    echo "skipped: there is no python3"
elif [ ! -x "$programs/modelexpress-sidecar" ]; then
    fail "no programs in $programs: run \`swift build\`, or set MX_PROGRAMS"
else
    for name in "${names[@]}"; do run_test "$name"; done
fi
finish
