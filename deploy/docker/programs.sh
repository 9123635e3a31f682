#!/usr/bin/env bash
# Builds the programs with Swift's own libraries inside them, and lays them out as the images have them:
# FOLDER/server/usr/local/bin, FOLDER/client/usr/local/bin, FOLDER/client/opt/modelexpress/vllm.
set -euo pipefail
if [ "$#" -lt 1 ] || [ "$1" = --help ]; then
    printf 'usage: programs.sh FOLDER [PROGRAMS]\n\nPROGRAMS: a folder of programs that are built already, with --static-swift-stdlib.\n' >&2
    exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
programs=${2:-}
if [ -z "$programs" ]; then
    swift build -c release --static-swift-stdlib
    programs=.build/release
fi

for image in server client; do mkdir -p "$1/$image/usr/local/bin"; done
install -m 0755 -s "$programs/modelexpress-server" "$programs/modelexpress" "$1/server/usr/local/bin/"
install -m 0755 -s "$programs/modelexpress-sidecar" "$programs/modelexpress" "$1/client/usr/local/bin/"
mkdir -p "$1/client/opt/modelexpress/vllm/modelexpress_mesh"
cp deploy/vllm/install.sh deploy/vllm/pyproject.toml "$1/client/opt/modelexpress/vllm/"
cp deploy/vllm/modelexpress_mesh/*.py "$1/client/opt/modelexpress/vllm/modelexpress_mesh/"
cp LICENSE "$1/client/opt/modelexpress/"
