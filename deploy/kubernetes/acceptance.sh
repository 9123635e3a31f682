#!/usr/bin/env bash
# For somebody with a cluster: applies the manifests, checks what the README promises, and prints the figures that need GPUs and a
# fabric. Leaves everything running; --delete takes it away again.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

usage() {
    cat <<'TEXT'
usage: acceptance.sh [--overlay NAME] [--delete]

  --overlay NAME  apply overlays/NAME (rdma, worker-extension) in place of the plain manifests
  --delete        delete what the manifests make, and end

Uses kubectl's current context and namespace. Exit status: 0 all held, 1 something did not, 2 usage.
TEXT
}

overlay=. delete=false
while [ "$#" -gt 0 ]; do
    case "$1" in
    --overlay)
        overlay="overlays/${2:-}"
        [ -e "$overlay/kustomization.yaml" ] || { echo "acceptance.sh: there is no overlay \"${2:-}\"" >&2; exit 2; }
        shift
        ;;
    --delete) delete=true ;;
    --help | -h)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift
done
command -v kubectl >/dev/null || { echo "acceptance.sh: kubectl is not in PATH" >&2; exit 1; }
if $delete; then
    kubectl delete -k "$overlay" --ignore-not-found
    exit
fi

passed=0 failed=0
# holds SENTENCE COMMAND...
holds() {
    local sentence=$1 output
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
        echo "ok      $sentence"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "$sentence"
        printf '%s\n' "$output" | tail -n 5 | sed 's/^/        /'
    fi
}
says() { kubectl logs "deployment/$1" -c "$2" --tail=-1 | grep -q -- "$3"; }
at() { kubectl exec "deployment/$1" -c "$2" -- "${@:3}"; }

kubectl apply -k "$overlay" || exit 1
holds "the server becomes ready" kubectl rollout status deployment/modelexpress-server --timeout=180s
holds "redis answers" at modelexpress-server server redis-cli -h modelexpress-redis ping
holds "the join Secret is there" kubectl get secret modelexpress-join
began=$SECONDS
holds "the source becomes ready" kubectl rollout status deployment/mx-source --timeout=1800s
echo "        after $((SECONDS - began)) s"
began=$SECONDS
kubectl rollout restart deployment/mx-target >/dev/null
holds "a target that starts beside it becomes ready" kubectl rollout status deployment/mx-target --timeout=1800s
echo "        after $((SECONDS - began)) s"
holds "its weights came from other replicas" says mx-target vllm "weights came from other replicas"
holds "the sockets are in /tmp/mx" at mx-source vllm ls /tmp/mx/vllm-0.sock
holds "ibstat sees a card" at mx-source client ibstat -l
holds "ucx_info answers" at mx-source client ucx_info -d
holds "the client knows its neighbours" at mx-target client modelexpress status
echo "Transfers, as the target's client tells them:"
kubectl logs deployment/mx-target -c client --tail=-1 | grep -E "found in the mesh|reading from|complete" | sed 's/^/        /'
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
