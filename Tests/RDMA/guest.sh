#!/usr/bin/env bash
# guest.sh [options] COMMAND [ARGUMENT...]
#   Runs a command in a virtual machine whose kernel has RDMA devices in software (Soft-RoCE): rxe0 and rxe1, each on a
#   network interface of its own. The machine's root is this machine's, read-only under a throw-away layer, so what was
#   built here runs there at the same path; nothing that it writes stays, but under /run/share.
#   -t SECONDS   end the machine after so long (default 300): status 124
#   -w FOLDER    what the guest sees, and may write, at /run/share (default: a temporary one)
#   -m MIB       its memory (default 2048)
# KVM is neither needed nor used, so that the rig is the same everywhere. Status: the command's own; 124 timed out; 125 the machine failed.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
limit_s=300 share='' memory_mib=2048
while getopts "+t:w:m:" option; do
    case "$option" in
    t) limit_s=$OPTARG ;;
    w) share=$OPTARG ;;
    m) memory_mib=$OPTARG ;;
    *) exit 125 ;;
    esac
done
shift $((OPTIND - 1))
[ "$#" -gt 0 ] || {
    echo "usage: guest.sh [-t SECONDS] [-w FOLDER] [-m MIB] COMMAND [ARGUMENT...]" >&2
    exit 125
}
cache=${MX_RDMA_CACHE:-$here/../../.build/rdma-guest}
"$here/kernel.sh" "$cache" || exit 125

work=$(mktemp -d "${TMPDIR:-/tmp}/modelexpress-guest.XXXXXX") || exit 125
trap 'rm -rf "$work"' EXIT
share=${share:-$work/share}
mkdir -p "$share"
rm -f "$share/.status"
{
    printf 'cd %q || exit 125\n' "$PWD"
    printf '%q ' "$@"
    echo
} >"$share/.command.sh"
cp "$here/inside.sh" "$share/.inside.sh"

# `rep movsb` is slow without KVM, and the kernel copies with it where the processor says that it is fast.
accelerator=(-accel "tcg,thread=multi" -cpu "max,erms=off,fsrm=off")
mkfifo "$work/out" "$work/err"
cat "$work/out" &
out=$!
cat "$work/err" >&2 &
err=$!
timeout -k 5 "$limit_s" qemu-system-x86_64 -M pc -m "$memory_mib" -smp 2 "${accelerator[@]}" \
    -nodefaults -no-user-config -display none -no-reboot \
    -kernel "$cache/vmlinux" -initrd "$cache/initrd.gz" \
    -append 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr clocksource=acpi_pm random.trust_cpu=on' \
    -chardev "file,id=console,path=$work/console" -serial chardev:console \
    -fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap \
    -device virtio-9p-pci,fsdev=root,mount_tag=hostroot \
    -fsdev "local,id=share,path=$share,security_model=none" -device virtio-9p-pci,fsdev=share,mount_tag=share \
    -device virtio-serial-pci \
    -chardev "file,id=out,path=$work/out,append=on" -device virtserialport,chardev=out,name=out \
    -chardev "file,id=err,path=$work/err,append=on" -device virtserialport,chardev=err,name=err \
    </dev/null >"$work/qemu" 2>&1
ended=$?
# Lets the readers drain; they would wait for ever if the machine never opened the pipes.
for _ in $(seq 50); do
    kill -0 "$out" 2>/dev/null || kill -0 "$err" 2>/dev/null || break
    sleep 0.1
done
kill "$out" "$err" 2>/dev/null
wait "$out" "$err" 2>/dev/null
[ ! -s "$share/.status" ] || exit "$(cat "$share/.status")"
cat "$work/qemu" >&2
tail -n 20 "$work/console" >&2
[ "$ended" -ne 124 ] || exit 124
exit 125
