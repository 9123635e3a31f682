# shellcheck shell=bash
# What a Debian 12 needs before ModelExpress builds and runs. Sourced by deploy/demo.sh and Tests/run.sh.

# Libraries the programs are built on and linked with.
library_packages=(libzmq3-dev libhiredis-dev libucx-dev libibverbs-dev libsodium-dev libssl-dev)
# What the demo and the tests start beside the programs.
runtime_packages=(redis-server python3 python3-venv)
# What only the tests need.
test_packages=(iproute2 procps openssl)
# What only the tests over RDMA need (Tests/RDMA): a virtual machine, and tools for its devices. Its kernel is fetched, and
# not installed.
rdma_packages=(
    qemu-system-x86 busybox-static kmod cpio iproute2 procps rdma-core ibverbs-providers ibverbs-utils perftest ucx-utils
)

# How long apt-get waits for another package manager to let go of its lock.
apt_lock_limit_s=120

# is_installed PACKAGE
is_installed() {
    [ "$(dpkg-query -W -f='${Status}' "$1" 2>/dev/null)" = "install ok installed" ]
}

# install_missing PACKAGE...
# Installs the packages that are not there yet; touches neither apt nor the network when all are. Returns 1, having said
# what to install, where that is impossible.
install_missing() {
    local package missing=() as_root=()
    if ! command -v dpkg-query >/dev/null 2>&1; then
        echo "error: this needs Debian 12 or a relative of it; elsewhere, install the equivalents of: $*" >&2
        return 1
    fi
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0

    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "error: packages are missing and there is neither root nor sudo; as root run:" >&2
            echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "installing: ${missing[*]}"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q
        -o Acquire::Retries=3 -o "DPkg::Lock::Timeout=$apt_lock_limit_s")
    if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; }; then
        echo "error: apt-get could not install: ${missing[*]}" >&2
        return 1
    fi
}

# require_swift
# Returns 1, having said what to do, where there is no Swift 6.3 or later.
require_swift() {
    local version
    if ! command -v swift >/dev/null 2>&1; then
        echo "error: no swift in PATH; install Swift 6.3 (https://www.swift.org/install/linux/) and add its usr/bin to PATH" >&2
        return 1
    fi
    version=$(swift --version 2>&1 | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
    if [ "$(printf '6.3\n%s\n' "${version:-0}" | sort -V | head -n 1)" != 6.3 ]; then
        echo "error: Swift 6.3 or later is needed, and $(command -v swift) is ${version:-of an unknown version}" >&2
        return 1
    fi
}
