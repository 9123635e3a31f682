#!/usr/bin/env bash
# Simulates meshes and holds what comes of them against what the scenarios expect. The last line is 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

usage() {
    cat <<'TEXT'
usage: Tests/Simulation/run.sh [--seeds N] [--full] [NAME...]

Runs the named scenarios of simulations/ (default: all) with seeds 1 to N (default 3), one run on each processor, with a
release build of the simulator, which it makes.

  --full   with as many peers as the scenarios say; without it with as many as take some seconds each

Exit status: 0 all passed, 1 something failed, 2 usage.
TEXT
}

seeds=3
full=false
names=()
while [ "$#" -gt 0 ]; do
    case "$1" in
    --help | -h)
        usage
        exit 0
        ;;
    --full) full=true ;;
    --seeds)
        seeds=${2:-}
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
if ! [[ $seeds =~ ^[1-9][0-9]*$ ]]; then
    usage >&2
    exit 2
fi
[ "${#names[@]}" -gt 0 ] || mapfile -t names < <(basename -s .yaml -a simulations/*.yaml)

# Peers with which a scenario takes some seconds: more than the 32 up to which everybody hears everybody, and where the
# degree matters more than 200. Time grows with the square.
declare -A few=([e1]=250 [e2]=250 [e5]=100)
few_others=150
# Longest time one run may take before it counts as hanging.
limit_s=300
! $full || limit_s=3600

swift build -c release --product modelexpress-sim || {
    echo "0 passed, 1 failed"
    exit 1
}
program=$(swift build -c release --show-bin-path)/modelexpress-sim
reports=$(mktemp -d "${TMPDIR:-/tmp}/modelexpress-simulation.XXXXXX") || exit 1
trap 'rm -rf "$reports"' EXIT

# run_one NAME SEED: leaves its report in $reports, and a file that says that it passed.
run_one() {
    local name=$1 seed=$2 options=() start=$SECONDS verdict=FAILED
    [ -z "$peers" ] || options=(--peers "$peers")
    if timeout "$limit_s" "$program" run "simulations/$name.yaml" --seed "$seed" "${options[@]}" \
        >"$reports/$name-$seed" 2>&1; then
        verdict=passed
        touch "$reports/$name-$seed.passed"
    fi
    printf '%s, seed %d: %s, %d s\n' "$name" "$seed" "$verdict" $((SECONDS - start))
}

for name in "${names[@]}"; do
    peers=
    $full || peers=${few[$name]:-$few_others}
    for seed in $(seq "$seeds"); do
        while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
        run_one "$name" "$seed" &
    done
done
wait

passed=0
failed=0
for name in "${names[@]}"; do
    for seed in $(seq "$seeds"); do
        if [ -e "$reports/$name-$seed.passed" ]; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            printf '\n-- %s, seed %d\n' "$name" "$seed"
            cat "$reports/$name-$seed"
        fi
    done
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
