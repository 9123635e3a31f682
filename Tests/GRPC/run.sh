#!/usr/bin/env bash
# The public gRPC API, with the unmodified public client. The last line is 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. Tests/parts.sh

usage() {
    cat <<'TEXT'
usage: Tests/GRPC/run.sh [NAME...]

Builds the server with its gRPC API (a debug build in .build-grpc; or takes the programs in MX_PROGRAMS), installs the public
client in .venv-grpc, and runs the named tests (default: all).

  calls      the four calls: publish, every filter of a listing, metadata, states, unknown fields, 60,000 tensors, 100 MiB
  engines    a source and a target process move bytes with NIXL, in both metadata modes of the public client
  life       time-outs, a lost store, a store that is away, two servers on one Redis
  callers    tokens from a file, TokenReview, who owns a record, TLS
  hostile    what no client sends: an answer or a closed connection, and bounded memory

Exit status: 0 all passed, 1 something failed, 2 usage.
TEXT
}

all=(calls engines life callers hostile)
names=()
for argument in "$@"; do
    case "$argument" in
    --help | -h)
        usage
        exit 0
        ;;
    calls | engines | life | callers | hostile) names+=("$argument") ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done
[ "${#names[@]}" -gt 0 ] || names=("${all[@]}")

# Longest time a test may take before it counts as hanging.
limit_s=300
# The trait GRPC changes how every room is compiled, so these builds lie apart from those without it.
scratch=.build-grpc
environment=.venv-grpc

# install: the public client. Of what it names as needed, only what these tests load: the rest is for GPUs and clouds.
install() {
    local python=$environment/bin/python packages
    packages=(numpy 'protobuf>=5.27.2,<7' 'grpcio>=1.66.2' 'h2>=4,<5' huggingface_hub google-crc32c pydantic safetensors zstandard)
    # A torch for the CPU alone, from where pip is told to look, else from the project's own index of such builds.
    local torch=torch==2.13.0+cpu index=https://download.pytorch.org/whl/cpu
    "$python" -c 'import modelexpress.load_strategy.rdma_strategy, nixl_cu12, h2' 2>/dev/null && return 0
    echo "installing the public client in $environment"
    [ -x "$python" ] || python3 -m venv "$environment" || return 1
    "$python" -m pip install -q "$torch" "${packages[@]}" 2>/dev/null ||
        "$python" -m pip install -q --extra-index-url "$index" "$torch" "${packages[@]}" || return 1
    "$python" -m pip install -q --no-deps modelexpress==0.7.0 nixl-cu12==1.5.1 || return 1
    "$python" -c 'import modelexpress.load_strategy.rdma_strategy, nixl_cu12, h2'
}

programs=${MX_PROGRAMS:-}
if [ -z "$programs" ]; then
    programs=$scratch/debug
    for product in modelexpress-server modelexpress; do
        swift build --scratch-path "$scratch" --product "$product" || fail "the build with the gRPC API"
    done
fi
install || fail "the public client can't be installed here"
export PYTHONPATH=Tests/Faults:Tests/GRPC
for name in "${names[@]}"; do
    printf '\n-- %s\n' "$name"
    run_part "$name" "$limit_s" "$environment/bin/python" -B "Tests/GRPC/$name.py" --programs "$programs"
done
finish
