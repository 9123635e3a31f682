#!/usr/bin/env bash
# Measures the built programs. Figures, not tests: nothing here passes or fails, and each goes with its references.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

usage() {
    cat <<'TEXT'
usage: Tests/Benchmarks/run.sh [--json] [--runs N] [NAME...]

Runs the named measurements (default: all) with the programs in MX_PROGRAMS, else those of the release build; make one
with `swift build -c release`. With --json each measurement is one JSON object a line:
{name, ours, unit, references, ratio, goal, runs}.

  mesh-propagation   age of an announcement when gossip brings it to the others, with 10, 25 and 50 sidecars on loopback
  mesh-rest          what a sidecar uses that has nothing to do, with 10, 25 and 50 of them
  mesh-signature     what a signature costs a peer that checks it

Exit status: 0 measured, 1 a measurement could not be taken, 2 usage.
TEXT
}

options=()
names=()
while [ $# -gt 0 ]; do
    case "$1" in
    --help | -h)
        usage
        exit 0
        ;;
    --json) options+=(--json) ;;
    --runs)
        [ $# -gt 1 ] && [[ $2 =~ ^[1-9][0-9]*$ ]] || {
            usage >&2
            exit 2
        }
        options+=(--runs "$2")
        shift
        ;;
    mesh-propagation | mesh-rest | mesh-signature) names+=("$1") ;;
    *)
        printf 'Tests/Benchmarks/run.sh: unknown measurement or flag %s\n\n' "$1" >&2
        usage >&2
        exit 2
        ;;
    esac
    shift
done
[ "${#names[@]}" -gt 0 ] || names=(mesh-propagation mesh-rest mesh-signature)

programs=${MX_PROGRAMS:-.build/release}
if [ ! -x "$programs/modelexpress-sidecar" ]; then
    echo "Tests/Benchmarks/run.sh: no programs in $programs: run \`swift build -c release\`, or set MX_PROGRAMS" >&2
    exit 1
fi
PYTHONPATH=Tests/Faults exec python3 -B Tests/Benchmarks/mesh.py --programs "$programs" "${options[@]}" "${names[@]}"
