#!/usr/bin/env bash
# Tests over RDMA devices, in a virtual machine that has some in software. The last line is 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. deploy/prerequisites.sh
. Tests/parts.sh

usage() {
    cat <<'TEXT'
usage: Tests/RDMA/run.sh

Boots Debian's kernel in QEMU, without KVM, with two Soft-RoCE devices (rxe0, rxe1), and runs there what was built here:

  - what a lease's holder can and can't do over RDMA, its end, and a thousand leases (DataPlaneTests)
  - pulls from several sources; a source killed, stopped, its links down; a reader killed; little locked memory

Programs are those in MX_PROGRAMS, else those of the release build where it is up to date, else of the debug build, which
the tests need in any case: `swift build --build-tests`. Fetches Debian's kernel once, to .build/rdma-guest (or
MX_RDMA_CACHE).

Exit status: 0 all passed, 1 something failed, 2 usage.
TEXT
}

case "${1:-}" in
'') ;;
--help | -h)
    usage
    exit 0
    ;;
*)
    usage >&2
    exit 2
    ;;
esac

# Longest time the guest may take before it counts as hanging.
limit_s=840
tests=.build/debug/modelexpressPackageTests.xctest
programs=${MX_PROGRAMS:-}
if [ -z "$programs" ]; then
    programs=.build/debug
    ! is_current .build/release || programs=.build/release
fi
[ -x "$programs/modelexpress" ] || fail "no programs in $programs: run \`swift build\`, or set MX_PROGRAMS"
[ -x "$tests" ] || fail "there is no $tests: run \`swift build --build-tests\`"
install_missing "${rdma_packages[@]}" || fail "the rig's packages are missing"

echo "-- in the guest ($programs)"
# The guest ends itself; the part's own limit is for a QEMU that does not.
run_part "the guest" $((limit_s + 60)) Tests/RDMA/guest.sh -t "$limit_s" Tests/RDMA/tests.sh "$tests" "$programs"
finish
