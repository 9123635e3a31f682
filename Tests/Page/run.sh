#!/usr/bin/env bash
# The page of the mesh in a headless Chromium. The last line is 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

usage() {
    cat <<'TEXT'
usage: Tests/Page/run.sh [--pictures FOLDER]

Drives the page against a made up mesh of thousands of peers, and against a real server with sidecars where the programs are
built: those in MX_PROGRAMS, else the debug build's. Takes about half a minute. Skipped without a browser (`apt-get install
chromium`, or MX_CHROMIUM=PROGRAM). --pictures keeps a screenshot of each test for you to look at.

Exit status: 0 all passed, 1 something failed, 2 usage.
TEXT
}

# Longest time it may take before it counts as hanging.
limit_s=280

pictures=()
while [ $# -gt 0 ]; do
    case "$1" in
    --pictures)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        pictures=(--pictures "$2")
        shift 2
        ;;
    --help | -h)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done

if ! command -v python3 >/dev/null 2>&1; then
    echo "skipped: there is no python3"
    echo "0 passed, 0 failed"
    exit 0
fi
programs=${MX_PROGRAMS:-.build/debug}
options=()
for program in modelexpress modelexpress-server modelexpress-sidecar; do
    [ -x "$programs/$program" ] || programs=
done
[ -z "$programs" ] || options=(--programs "$programs")
timeout -s INT -k 20 "$limit_s" python3 -B Tests/Page/page.py "${options[@]}" "${pictures[@]}"
status=$?
if [ "$status" -eq 124 ]; then
    echo "Tests/Page/run.sh: ran past $limit_s s and was ended"
    echo "0 passed, 1 failed"
    exit 1
fi
exit "$status"
