#!/usr/bin/env bash
# Simulates meshes and holds what comes of them against what the scenarios expect. The last line is 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

usage() {
    cat <<'TEXT'
usage: Tests/Simulation/run.sh [--seeds N] [--full | --peers N] [--keep FOLDER] [NAME...]

Runs the named scenarios of simulations/ (default: all) with seeds 1 to N (default 3), one run on each processor, with a
release build of the simulator, which it makes. Without names it also runs each scenario of simulations/regressions with the
seed that its first line names, shows that each fault of simulations/mutants is caught by an invariant within 100 seeds and
that the same scenario without the fault breaks none, and runs random scenarios for half a minute.

  --full   with as many peers as the scenarios say; without it with as many as take some seconds each
  --peers  with so many peers
  --keep   reports are kept in FOLDER, as NAME-SEED.json, and what is there already is not run again: a long row can be cut
           off and gone on with. Tests/Simulation/table.py FOLDER prints means, 99th percentiles and worst values.

Exit status: 0 all passed, 1 something failed, 2 usage.
TEXT
}

seeds=3
full=false
peers_asked=
kept=
names=()
while [ "$#" -gt 0 ]; do
    case "$1" in
    --help | -h)
        usage
        exit 0
        ;;
    --full) full=true ;;
    --peers)
        peers_asked=${2:-}
        if ! [[ $peers_asked =~ ^[1-9][0-9]*$ ]]; then
            usage >&2
            exit 2
        fi
        shift
        ;;
    --keep)
        kept=${2:-}
        if [ -z "$kept" ] || ! mkdir -p "$kept"; then
            usage >&2
            exit 2
        fi
        shift
        ;;
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
all=false
if [ "${#names[@]}" -eq 0 ]; then
    all=true
    mapfile -t names < <(basename -s .yaml -a simulations/*.yaml)
fi

# Peers with which a scenario takes some seconds: more than the 32 up to which everybody hears everybody, and where the
# degree matters more than 200. Time grows with the square.
declare -A few=([e1]=250 [e2]=250 [e5]=100 [e6]=300 [e6-fan]=100 [e7]=40 [e8]=25 [e9]=15 [e10]=60 [e11]=25 [e12]=25 [e13]=60 [e14]=100 [e15]=100 [e16]=100 [loopback]=50
    [d1]=32 [d2]=32 [d3]=100 [d4]=100 [d5]=63 [d6]=20 [d7]=32)
few_others=150
swarm_s=30
# Longest time one run may take before it counts as hanging.
limit_s=300
[ -z "$peers_asked" ] && ! $full || limit_s=3600

# Swift's libraries are inside only so that a build for the pods, which need them there, compiles nothing again.
swift build -c release --disable-default-traits --static-swift-stdlib --product modelexpress-sim || {
    echo "0 passed, 1 failed"
    exit 1
}
program=$(swift build -c release --disable-default-traits --show-bin-path)/modelexpress-sim
reports=$(mktemp -d "${TMPDIR:-/tmp}/modelexpress-simulation.XXXXXX") || exit 1
trap 'rm -rf "$reports"' EXIT

# run_one NAME SEED: leaves its report in $reports, and a file that says that it passed.
run_one() {
    local name=$1 seed=$2 options=() start=$SECONDS verdict=FAILED
    [ -z "$peers" ] || options=(--peers "$peers")
    [ -z "$kept" ] || options+=(--json)
    if [ -n "$kept" ] && [ -s "$kept/$name-$seed.json" ]; then
        ! grep -q '"pass":true' "$kept/$name-$seed.json" || touch "$reports/$name-$seed.passed"
        cp "$kept/$name-$seed.json" "$reports/$name-$seed"
        return
    fi
    if timeout "$limit_s" "$program" run "simulations/$name.yaml" --seed "$seed" "${options[@]}" \
        >"$reports/$name-$seed" 2>&1; then
        verdict=passed
        touch "$reports/$name-$seed.passed"
    fi
    # Of a run that was cut off nothing is kept.
    if [ -n "$kept" ] && grep -q '"trace_hash"' "$reports/$name-$seed"; then
        grep '"trace_hash"' "$reports/$name-$seed" >"$kept/$name-$seed.json"
    fi
    printf '%s, seed %d: %s, %d s\n' "$name" "$seed" "$verdict" $((SECONDS - start))
}

for name in "${names[@]}"; do
    peers=
    $full || peers=${peers_asked:-${few[$name]:-$few_others}}
    for seed in $(seq "$seeds"); do
        while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
        run_one "$name" "$seed" &
    done
done
wait

passed=0
failed=0

# count NAME COMMAND...: counts a check, and shows what it said when it failed.
count() {
    local name=$1 start=$SECONDS
    shift
    if "$@" >"$reports/check" 2>&1; then
        passed=$((passed + 1))
        printf '%s: passed, %d s\n' "$name" $((SECONDS - start))
    else
        failed=$((failed + 1))
        printf '%s: FAILED, %d s\n' "$name" $((SECONDS - start))
        cat "$reports/check"
    fi
}

# caught FILE: the first of 100 seeds with which an invariant is broken, and then again by the printed command.
caught() {
    local seed again
    for seed in $(seq 100); do
        "$program" run "$1" --seed "$seed" >"$reports/mutant" && continue
        grep '^violated' "$reports/mutant" | head -1 || return 1
        again=$(sed -n 's/^again: modelexpress-sim //p' "$reports/mutant")
        # shellcheck disable=SC2086
        ! "$program" $again >"$reports/again" || return 1
        cmp "$reports/mutant" "$reports/again" || return 1
        printf 'seed %d\n' "$seed" && return 0
    done
    return 1
}

# healthy FILE: the same scenario without the fault breaks no invariant.
healthy() {
    grep -v 'plant:' "$1" >"$reports/healthy.yaml"
    "$program" run "$reports/healthy.yaml" --seed 1
}

if $all; then
    for file in simulations/regressions/*.yaml; do
        seed=$(sed -n '1s/^# Seed \([0-9]*\)\..*/\1/p' "$file")
        count "$file" "$program" run "$file" --seed "${seed:?the first line names no seed}"
    done
    for file in simulations/mutants/*.yaml; do
        count "$file" caught "$file"
        count "$file without the fault" healthy "$file"
    done
    count "random scenarios" "$program" swarm --seconds "$swarm_s"
fi

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
