#!/usr/bin/env bash
# One model, peer to peer, on one machine: installs what is missing, builds, plays three rounds between real processes.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
. "$root/deploy/prerequisites.sh"

# How the programs are built. The demo needs no gRPC API, which is most of a build.
build_flags=(-c release --disable-default-traits)
# The size of the generated checkpoint, and the smallest that still has enough chunks to end a source in the middle.
default_size=1GiB
smallest_size=$((64 * 1024 * 1024))

usage() {
    cat <<'TEXT'
usage: deploy/demo.sh [--model DIR [--name NAME] | --size BYTES] [--json] [--work DIR] [--keep] [--programs DIR]

Installs missing Debian packages, builds the programs in release mode, starts a server with its own Redis, and plays
three rounds of moving one model between peers on this machine:

  1  one source to three targets over shared memory
  2  the same over TCP
  3  two sources to three targets over TCP, slowed down; one source is killed while it serves

Every copy is compared with the source, file by file, by SHA-256. A table tells who read how much from whom. Whatever
happens, processes are ended and files removed.

  --model DIR     a real checkpoint folder with safetensors files (default: a generated one)
  --name NAME     what the model is called in the mesh (default: the folder's name)
  --size BYTES    size of the generated checkpoint, such as 256MiB (default 1GiB, at least 64MiB)
  --work DIR      where the checkpoint and three copies fit (default: /dev/shm with room for five of it, else TMPDIR,
                  else /tmp)
  --keep          leave checkpoint, copies of the last round, keys and logs in place, and say where
  --programs DIR  take the programs from there instead of building them
  --json          a JSON object as the last line of standard output; the rest goes to standard error
  --help          this text

JSON: model_bytes; rounds: [{name, lane, gigabytes_per_second, targets: [{seconds, bytes, chunks_verified, sha256_equal,
sources: [{peer, bytes, lane}]}]}]; kill_round: {killed_after_bytes, targets_completed, sha256_equal}; and more fields.
A target's seconds run from the moment it has the model's manifest to the moment its copy is complete. A round's
gigabytes_per_second is what all its targets read, in 10^9 bytes, by the time from the first target's such moment to the
last one's completion. killed_after_bytes is what the killed source had served when it was last asked.

Exit status: 0 all rounds went well, 1 something failed, 2 usage.
TEXT
}

usage_error() {
    printf 'deploy/demo.sh: %s\n\n' "$1" >&2
    usage >&2
    exit 2
}

model='' name='' size='' work='' programs='' json=false keep=false
while [ $# -gt 0 ]; do
    flag=$1
    shift
    case "$flag" in
    --model | --name | --size | --work | --programs)
        [ $# -gt 0 ] && [ -n "$1" ] || usage_error "$flag needs a value"
        value=$1
        shift
        ;;
    --model=?* | --name=?* | --size=?* | --work=?* | --programs=?*)
        value=${flag#*=}
        flag=${flag%%=*}
        ;;
    esac
    case "$flag" in
    --model) model=$value ;;
    --name) name=$value ;;
    --size) size=$value ;;
    --work) work=$value ;;
    --programs) programs=$value ;;
    --json) json=true ;;
    --keep) keep=true ;;
    --help | -h)
        usage
        exit 0
        ;;
    -*) usage_error "unknown flag $flag" ;;
    *) usage_error "unexpected argument $flag" ;;
    esac
done

[ -z "$model" ] || [ -z "$size" ] || usage_error "--size is for the generated checkpoint, and --model names a real one"
if [ -n "$model" ]; then
    [ -d "$model" ] || usage_error "--model $model is not a folder"
    [ -n "$(find -L "$model" -maxdepth 1 -name '*.safetensors' -print -quit)" ] ||
        usage_error "--model $model holds no .safetensors file"
else
    bytes=$(numfmt --from=auto --suffix=B -- "${size:-$default_size}" 2>/dev/null) && bytes=${bytes%B} ||
        usage_error "--size $size is no size; write it like 256MiB or 2GB"
    [ "$bytes" -ge "$smallest_size" ] || usage_error "--size $size is less than 64MiB"
fi
if [ -n "$programs" ]; then
    for program in modelexpress modelexpress-server; do
        [ -x "$programs/$program" ] || usage_error "--programs $programs holds no $program"
    done
fi

# With --json, standard output is for the JSON object alone.
exec 3>&1
! $json || exec 1>&2
[ -n "$programs" ] || require_swift || exit 1
if ! install_missing "${library_packages[@]}" "${runtime_packages[@]}"; then exit 1; fi

options=(--root "$root")
[ -z "$model" ] || options+=("--model=$model")
[ -z "$name" ] || options+=("--name=$name")
[ -n "$model" ] || options+=(--size "$bytes")
[ -z "$work" ] || options+=("--work=$work")
[ -z "$programs" ] || options+=("--programs=$programs")
! $json || options+=(--json)
! $keep || options+=(--keep)
# From here on signals reach the one process that knows what to clean up.
exec python3 -B "$root/deploy/demo/demo.py" "${options[@]}" -- "${build_flags[@]}" 1>&3 3>&-
