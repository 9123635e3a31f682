#!/bin/sh
# What the programs need to run on a bare Debian 12, and the tools that people look for in the containers. Run as root there: by the
# Dockerfile, and by the test that does without one.
set -eu

case "${1:-}" in
server) tools="redis-tools" ;;
# ibstat and ucx_info, to see what a pod has of the fabric; bash runs install.sh.
client) tools="infiniband-diags ucx-utils bash" ;;
*)
    echo "usage: runtime.sh server|client" >&2
    exit 2
    ;;
esac

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086
apt-get install -y -q --no-install-recommends \
    libzmq5 libhiredis0.14 libsodium23 libssl3 libibverbs1 ibverbs-providers libucx0 ca-certificates $tools
rm -rf /var/lib/apt/lists/*

# Nobody in particular; the number is what the manifests name.
if ! getent group 10001 >/dev/null; then
    groupadd --gid 10001 modelexpress
    useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/modelexpress --shell /usr/sbin/nologin modelexpress
fi
mkdir -p /var/lib/modelexpress /etc/modelexpress
chown 10001:10001 /var/lib/modelexpress
