#!/usr/bin/env bash
# kernel.sh FOLDER
#   Puts Debian's kernel, unpacked, and an initial file system with the modules of the RDMA rig into a folder, unless they
#   are there. Nothing is installed: the kernel's package is only fetched and unpacked.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
cd "$1"
[ ! -s vmlinux ] || [ ! -s initrd.gz ] || [ "$here/kernel.sh" -nt initrd.gz ] || exit 0

# linux-image-amd64 is empty, and names the package of the current kernel.
package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
[ -n "$package" ] || {
    echo "error: apt knows no linux-image-amd64; the rig needs a Debian's package lists" >&2
    exit 1
}
if [ ! -s "unpacked/$package" ]; then
    rm -rf unpacked ./*.deb
    apt-get -q download "$package"
    dpkg-deb -x "$package"_*.deb unpacked
    rm -f ./*.deb
    : >"unpacked/$package"
    echo yes >"unpacked/$package"
fi
root=$PWD/unpacked
version=$(ls "$root/lib/modules")
modules=(crc32_generic virtio_pci 9pnet_virtio 9p overlay virtio_console ib_uverbs rdma_rxe rdma_ucm dummy)

# QEMU enters an unpacked kernel at once; the packed one takes five seconds to unpack without KVM.
python3 - "$root/boot/vmlinuz-$version" vmlinux.new <<'PY'
import lzma
import struct
import sys

image = open(sys.argv[1], "rb").read()
offset, length = struct.unpack_from("<II", image, 0x248)
payload = image[((image[0x1F1] or 4) + 1) * 512 + offset:][:length]
kernel = lzma.LZMADecompressor().decompress(payload)
assert kernel[:4] == b"\x7fELF", "the kernel is packed in another way than Debian 12's"
open(sys.argv[2], "wb").write(kernel)
PY
mv vmlinux.new vmlinux

initial=$(mktemp -d)
trap 'rm -rf "$initial"' EXIT
mkdir -p "$initial"/{bin,dev,proc,sys,ro,rw,new}
cp /bin/busybox "$initial/bin/"
[ -s "$root/lib/modules/$version/modules.dep" ] || depmod -b "$root" "$version"
for module in "${modules[@]}"; do
    modprobe -d "$root" -S "$version" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
done | awk '!seen[$0]++' | while read -r file; do
    cp "$file" "$initial/"
    basename "$file"
done >"$initial/order"
cat >"$initial/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do
    option=
    [ "$module" != dummy.ko ] || option=numdummies=0
    insmod "/$module" $option || echo "no module $module"
done < /order
options="trans=virtio,version=9p2000.L,msize=524288"
mount -t 9p -o $options,ro,cache=loose hostroot /ro || echo "no root"
mount -t tmpfs -o size=75% tmpfs /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work overlay /new || echo "no overlay"
mount -t proc proc /new/proc
mount -t sysfs sys /new/sys
mount -t devtmpfs dev /new/dev
mkdir -p /new/dev/shm /new/dev/pts
mount -t tmpfs tmpfs /new/dev/shm
mount -t devpts devpts /new/dev/pts
mount -t tmpfs tmpfs /new/run
mkdir -p /new/run/share /new/run/lock
mount -t tmpfs tmpfs /new/tmp
mount -t 9p -o $options,rw share /new/run/share || echo "no share"
chroot /new /bin/bash /run/share/.inside.sh
sync
umount /new/run/share
echo o > /proc/sysrq-trigger
sleep 5
INIT
chmod +x "$initial/init"
(cd "$initial" && find . | cpio -o -H newc --quiet | gzip -1) >initrd.new
mv initrd.new initrd.gz
