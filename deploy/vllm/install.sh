#!/usr/bin/env bash
# Puts the package into a folder that an engine has in its PYTHONPATH, without pip: sidecars do that at the start of their pod.
set -euo pipefail
if [ "$#" -ne 1 ] || [ "$1" = --help ] || [ "$1" = -h ]; then
    printf 'usage: install.sh FOLDER\n\nCopies the package modelexpress_mesh and its entry point to FOLDER; start vLLM with PYTHONPATH=FOLDER.\n' >&2
    [ "${1-}" = --help ] || [ "${1-}" = -h ] || exit 2
    exit 0
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/pyproject.toml")
metadata="$1/modelexpress_mesh-$version.dist-info"
mkdir -p "$1/modelexpress_mesh" "$metadata"
cp "$here"/modelexpress_mesh/*.py "$1/modelexpress_mesh/"
printf 'Metadata-Version: 2.1\nName: modelexpress-mesh\nVersion: %s\n' "$version" >"$metadata/METADATA"
printf '[vllm.general_plugins]\nmodelexpress_mesh = modelexpress_mesh.plugin:register\n' >"$metadata/entry_points.txt"
