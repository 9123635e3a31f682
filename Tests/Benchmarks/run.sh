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
  server             Tests/Benchmarks/server.py: writes into Redis, snapshots, memory, restart, a crowd, SIGTERM to exit

  grpc-list          ListSources of the public gRPC API, 10,000 workers of 100 models registered; beside a plain
                     redis-benchmark GET
  grpc-update        UpdateStatus with the same. Both need a build with the gRPC API in MX_GRPC_PROGRAMS (default
                     .build-grpc/release), and are left out without one; make it with
                     `swift build -c release --scratch-path .build-grpc --product NAME` for the products
                     modelexpress-server, modelexpress and EngineLoad

  same-host          1 GiB from memory to memory over shared memory, CRC checked; beside memcpy, NIXL and Mooncake
  same-host-full     the same with full integrity; beside the digest's own rate
  verification       what full integrity costs against CRC alone; rates of the digests
  tcp                1 GiB over loopback, CRC checked; beside plain TCP, NIXL and Mooncake
  fan-in-equal       four sources behind links of 400 Mbit/s fill one target; beside what the links give to plain TCP
  fan-in-skewed      the same with links of 400, 400, 200 and 40 Mbit/s
  flash-crowd-8      eight targets and one source, all links 200 Mbit/s; beside one target alone
  source-killed      one of four sources is killed half-way; beside what its bandwidth alone would cost
  source-stopped     the same with a source that hangs

  rdma               192 MiB over a Soft-RoCE device, CRC checked, in the guest of Tests/RDMA, beside ib_read_bw; then the verbs
                     and UCX lanes alone, nothing verified, in pairs with ib_read_bw and ucx_perftest
  registration       first chunk of a lease over RDMA, in the same guest; beside what registering costs by size

Those of transfers are taken five times (--runs), by turns with their references, and "holds" says whether the median
reaches the goal. Started by root they go before other work on the machine; "others_share" is how much of it there was.
NIXL and Mooncake are installed with pip in .venv-benchmarks of this checkout when they are missing, and left out, with the
reason, where that is impossible. Links are network namespaces behind a bridge with tc tbf, so what has links needs root and
iproute2, and is skipped without. Models and their copies need up to 14 GB of memory.

Exit status: 0 measured, 1 a measurement could not be taken, 2 usage.
TEXT
}

options=()
mesh_names=()
transfer_names=()
rdma_names=()
server_names=()
grpc_names=()
asks_server=false
while [ $# -gt 0 ]; do
    case "$1" in
    --help | -h)
        usage
        exit 0
        ;;
    --json) options+=(--json) ;;
    server) asks_server=true ;;
    server-*)
        asks_server=true
        server_names+=("$1")
        ;;
    --runs)
        [ $# -gt 1 ] && [[ $2 =~ ^[1-9][0-9]*$ ]] || {
            usage >&2
            exit 2
        }
        options+=(--runs "$2")
        shift
        ;;
    grpc-list | grpc-update) grpc_names+=("$1") ;;
    mesh-propagation | mesh-rest | mesh-signature) mesh_names+=("$1") ;;
    same-host | same-host-full | verification | tcp | fan-in-equal | fan-in-skewed | flash-crowd-8 | source-killed | \
        source-stopped) transfer_names+=("$1") ;;
    rdma | registration) rdma_names+=("$1") ;;
    *)
        printf 'Tests/Benchmarks/run.sh: unknown measurement or flag %s\n\n' "$1" >&2
        usage >&2
        exit 2
        ;;
    esac
    shift
done
if ! $asks_server &&
    [ $((${#mesh_names[@]} + ${#transfer_names[@]} + ${#grpc_names[@]} + ${#rdma_names[@]})) -eq 0 ]; then
    asks_server=true
    grpc_names=(grpc-list grpc-update)
    mesh_names=(mesh-propagation mesh-rest mesh-signature)
    transfer_names=(
        same-host same-host-full verification tcp fan-in-equal fan-in-skewed flash-crowd-8 source-killed source-stopped)
    rdma_names=(rdma registration)
fi

programs=${MX_PROGRAMS:-.build/release}
grpc_programs=${MX_GRPC_PROGRAMS:-.build-grpc/release}
status=0
if [ "${#grpc_names[@]}" -gt 0 ]; then
    if [ -x "$grpc_programs/EngineLoad" ] && [ -x "$grpc_programs/modelexpress-server" ]; then
        PYTHONPATH=Tests/Faults:Tests/Benchmarks python3 -B Tests/Benchmarks/engines.py --programs "$grpc_programs" \
            "${options[@]}" "${grpc_names[@]}" || status=$?
    else
        echo "left out: ${grpc_names[*]}: no programs with the gRPC API in $grpc_programs" >&2
    fi
    [ $((${#mesh_names[@]} + ${#transfer_names[@]} + ${#rdma_names[@]})) -gt 0 ] || $asks_server || exit "$status"
fi
if [ ! -x "$programs/modelexpress-sidecar" ]; then
    echo "Tests/Benchmarks/run.sh: no programs in $programs: run \`swift build -c release\`, or set MX_PROGRAMS" >&2
    exit 1
fi

if [ "${#transfer_names[@]}" -gt 0 ]; then
    PYTHONPATH=deploy/demo python3 -B Tests/Benchmarks/transfer.py --programs "$programs" "${options[@]}" \
        "${transfer_names[@]}" || status=$?
fi
if [ "${#rdma_names[@]}" -gt 0 ]; then
    # The guest has its own files under /run and /tmp, and two cores of this machine.
    (
        . deploy/prerequisites.sh
        install_missing "${rdma_packages[@]}" >&2
    ) && Tests/RDMA/guest.sh -t 1200 -m 3072 env PYTHONPATH=deploy/demo python3 -B Tests/Benchmarks/transfer.py \
        --programs "$programs" "${options[@]}" "${rdma_names[@]}" || status=$?
fi
if [ "${#mesh_names[@]}" -gt 0 ]; then
    PYTHONPATH=Tests/Faults python3 -B Tests/Benchmarks/mesh.py --programs "$programs" "${options[@]}" "${mesh_names[@]}" ||
        status=$?
fi
if $asks_server; then
    PYTHONPATH=Tests/Faults python3 -B Tests/Benchmarks/server.py --programs "$programs" "${options[@]}" \
        "${server_names[@]}" || status=$?
fi
exit "$status"
