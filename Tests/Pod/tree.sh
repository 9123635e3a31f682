#!/usr/bin/env bash
# The images without an image builder: Debian trees made by debootstrap, filled by the Dockerfile's own scripts.
# usage: tree.sh FOLDER PROGRAMS    gives FOLDER/server and FOLDER/client
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$1 programs=$2
mirror=${MX_DEBIAN_MIRROR:-http://deb.debian.org/debian}

mkdir -p "$folder"
if [ ! -e "$folder/base/etc/debian_version" ]; then
    rm -rf "$folder/base"
    debootstrap --variant=minbase bookworm "$folder/base" "$mirror" >"$folder/debootstrap.log" || {
        tail -n 5 "$folder/debootstrap.log" >&2
        exit 1
    }
fi
rm -rf "$folder/out"
deploy/docker/programs.sh "$folder/out" "$programs"
for image in server client; do
    root="$folder/$image"
    if [ ! -e "$root/.ready" ]; then
        rm -rf "$root"
        cp -a "$folder/base" "$root"
        cp /etc/resolv.conf "$root/etc/resolv.conf"
        cp deploy/docker/runtime.sh "$root/tmp/runtime.sh"
        mount -t proc proc "$root/proc"
        chroot "$root" /tmp/runtime.sh "$image" >"$folder/$image.log" 2>&1 || {
            umount "$root/proc"
            tail -n 5 "$folder/$image.log" >&2
            exit 1
        }
        umount "$root/proc"
        rm "$root/tmp/runtime.sh"
        touch "$root/.ready"
    fi
    cp -a "$folder/out/$image/." "$root/"
    base_kib=$(du -sk "$folder/base" | cut -f1) image_kib=$(du -sk "$root" | cut -f1)
    programs_kib=$(du -sk "$folder/out/$image" | cut -f1)
    echo "$image: $((image_kib / 1024)) MiB in all, $((base_kib / 1024)) MiB of them Debian's, $((programs_kib / 1024)) MiB ours"
done
