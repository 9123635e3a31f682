#!/usr/bin/env bash
# tests.sh TESTS PROGRAMS
#   Runs inside the guest: the tests of DataPlaneTests that need RDMA devices, with the test bundle TESTS, then pulls with the
#   programs in the folder PROGRAMS. The last line is 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
passed=0
failed=0
# Seconds: more than any healthy run takes, less than the guest has.
limit_s=420

# UCX before 1.19 mistakes the addresses of Soft-RoCE's packets, and drops them.
export UCX_UD_VERBS_ETH_DGID_CHECK=n

log=/run/tests.log
timeout -k 10 "$limit_s" "$1" --testing-library swift-testing --no-parallel --filter 'VerbsLaneTests|VerbsMemoryTests|UCXLaneTests' 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
read -r ok bad < <(awk '
    / Test ".*" .*passed after [0-9.]+ seconds/ { passed++ }
    / Test ".*" .*failed after [0-9.]+ seconds/ { failed++ }
    END { print passed + 0, failed + 0 }' "$log")
# A bundle that finds no device skips its tests.
if [ "$ok" -eq 0 ] || { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; }; then bad=$((bad + 1)); fi
passed=$((passed + ok))
failed=$((failed + bad))

python3 -B Tests/RDMA/pulls.py --programs "$2" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
read -r ok bad < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -n 1)
[ "$status" -eq 0 ] || [ "${bad:-0}" -gt 0 ] || bad=1
passed=$((passed + ${ok:-0}))
failed=$((failed + ${bad:-0}))
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
