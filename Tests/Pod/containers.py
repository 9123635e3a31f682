"""Containers without an engine for them: mount, PID and network namespaces, users and capabilities, as a manifest states them."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time

# Where a container's root is put together, in its own mount namespace.
ENTER = r"""
set -e
mount --make-rprivate /
mount -t tmpfs -o size=2g tmpfs "$SCRATCH"
mkdir "$SCRATCH/upper" "$SCRATCH/work" "$SCRATCH/root"
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work" "$SCRATCH/root"
cd "$SCRATCH/root"
mkdir -p proc dev sys tmp
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs dev/shm
mount --rbind /sys sys
eval "$MOUNTS"
cp "$HOSTS" etc/hosts
if [ -n "$READ_ONLY" ]; then mount -o remount,ro,bind "$SCRATCH/root" 2>/dev/null || mount -o remount,ro overlay "$SCRATCH/root"; fi
exec chroot . /usr/bin/env -i "$SETPRIV" $PRIVILEGES -- /usr/bin/env "$@"
"""


class Container:
    """One container of a pod that is played."""

    def __init__(self, pod, spec, lower, environment, command, limits):
        self.pod = pod
        self.spec = spec
        self.name = spec["name"]
        self.log = f"{pod.folder}/{self.name}.log"
        self.ready_at = None
        scratch = f"{pod.folder}/{self.name}-root"
        os.makedirs(scratch)
        context = {**pod.spec.get("securityContext", {}), **spec.get("securityContext", {})}
        mounts = []
        for mount in spec.get("volumeMounts", []):
            inside = mount["mountPath"].lstrip("/")
            outside = pod.volumes[mount["name"]]
            mounts.append(f"mkdir -p {inside}; mount --bind {shlex.quote(outside)} {inside}")
            if mount.get("readOnly"):
                mounts.append(f"mount -o remount,ro,bind {inside}")
        variables = {
            "SCRATCH": scratch, "LOWER": lower, "MOUNTS": "\n".join(mounts), "HOSTS": pod.hosts_file,
            "READ_ONLY": "yes" if context.get("readOnlyRootFilesystem") else "", "SETPRIV": "/usr/bin/setpriv",
            "PRIVILEGES": privileges(context), "PATH": os.environ["PATH"],
        }
        assignments = [f"{name}={value}" for name, value in environment.items()]
        command = [
            "ip", "netns", "exec", pod.namespace, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc",
            "/bin/sh", "-c", ENTER, "sh", *assignments, *command]
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=variables,
                preexec_fn=limits, start_new_session=True)

    def inside(self):
        """The process of the container that is number 1 in its own namespace."""
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        try:
            with open(children) as file:
                found = file.read().split()
        except FileNotFoundError:
            return None
        return int(found[0]) if found else None

    def terminate(self):
        """SIGTERM to number 1, as the kubelet sends it."""
        pid = self.inside()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def words(self):
        with open(self.log, errors="replace") as text:
            return text.read()

    def execute(self, *command, limit=60):
        """As `kubectl exec`: in the container's namespaces and root."""
        pid = self.inside()
        return subprocess.run(
            ["nsenter", "--target", str(pid), "--mount", "--pid", "--net", "--ipc", "--root", "--wd", *command],
            capture_output=True, text=True, timeout=limit)

    def probe(self, kind):
        """Whether a probe of the manifest succeeds now."""
        probe = self.spec.get(kind)
        if probe is None:
            return True
        if "exec" in probe:
            return self.execute(*probe["exec"]["command"]).returncode == 0
        port = probe["httpGet"]["port"]
        number = next((one["containerPort"] for one in self.pod.ports() if one["name"] == port), port)
        url = f"http://{self.pod.address}:{number}{probe['httpGet']['path']}"
        answer = self.pod.fetch(url)
        return answer is not None and 200 <= answer[0] < 400


def privileges(context):
    """What setpriv is told: the user, its groups, and the capabilities that are left."""
    words = ["--no-new-privs"]
    kept = [f"+{name.lower()}" for name in context.get("capabilities", {}).get("add", [])]
    if "ALL" in context.get("capabilities", {}).get("drop", []):
        words += [f"--bounding-set={','.join(['-all', *kept])}", f"--inh-caps={','.join(['-all', *kept])}"]
    group = str(context.get("fsGroup", ""))
    user = context.get("runAsUser")
    if user is not None:
        groups = f"--groups={group}" if group else "--clear-groups"
        words += [f"--reuid={user}", f"--regid={context.get('runAsGroup', user)}", groups]
        if kept:
            words += [f"--ambient-caps={','.join(kept)}"]
    elif group:
        words += [f"--groups={group}"]
    return " ".join(words)
