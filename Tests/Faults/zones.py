"""Two zones: everything at first in one of them, and targets that start at once in the other. How often does it cross the link?

Each peer has a host of its own, as far as it can tell: an identity of the kernel's boot of its own, mounted over the machine's."""

import argparse
import os
import shutil
import subprocess
import time
import uuid

from crowd import Pull, write_model
from harness.cluster import Cluster
from harness.local_socket import Unanswered, eventually
from harness.outcome import Outcome, tell

SOURCES = 4
TARGETS = 6
SIZE = 128 << 20
# Of each source; together they stand for the link. Targets give each other as much as they can.
RATE = "4MB"
# Copies that may cross: one is needed, the rest is what is read twice while everybody hears of everybody. Six are what it takes
# when each reads for itself, and 2.3 to 4 when the targets are of no zone.
COPIES = 2
# Seconds: the link alone takes eight.
LIMIT = 180
ENTER = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'


def host(folder, name):
    """What comes before a program so that it is on a host of its own."""
    path = f"{folder}/{name}.host"
    with open(path, "w") as file:
        file.write(f"{uuid.uuid4()}\n")
    return ["unshare", "--mount", "sh", "-c", ENTER, path]


def can_tell_hosts_apart(folder):
    try:
        done = subprocess.run(
            [*host(folder, "probe"), "cat", "/proc/sys/kernel/random/boot_id"], capture_output=True, text=True, timeout=20)
    except OSError:
        return False
    with open(f"{folder}/probe.host") as file:
        return done.returncode == 0 and done.stdout == file.read()


def run(cluster, outcome):
    folder = write_model(f"{cluster.folder}/large")
    sources, seeds = [], []
    for number in range(SOURCES):
        name = f"source-{number}"
        sources.append(cluster.start_sidecar(
            name, seeds, wrapper=host(cluster.folder, name), serve=f"m={folder}", slots=4,
            more=["--rate-limit", RATE, "--zone", "east"]))
        sources[-1].await_start()
        seeds = [sources[0].bootstrap]

    def offers():
        offered = sources[0].local.ask("sources").get("sources") or []
        return sum(offer["coverage"] == 1 for offer in offered) == SOURCES

    eventually("all sources offer the model", LIMIT, offers)
    begin = time.monotonic()
    pulls = [
        Pull(cluster, f"target-{number}", seeds, wrapper=host(cluster.folder, f"target-{number}"),
             zone="west", rate=None) for number in range(TARGETS)]
    try:
        while not all([pull.has_completed() for pull in pulls]) and time.monotonic() - begin < LIMIT:
            time.sleep(0.1)
        copies = sum(source.local.ask("status")["status"]["bytes_served"] for source in sources) / SIZE
    finally:
        for pull in pulls:
            pull.process.kill()
            pull.process.wait()
    outcome.check(
        f"all {TARGETS} targets of the other zone complete",
        (f"{pull.name}: {pull.last_event()}" for pull in pulls if pull.ended_at is None))
    ends = sorted(pull.ended_at - begin for pull in pulls if pull.ended_at is not None)
    tell(f"{copies:.2f} copies crossed; the first had all after {ends[0] if ends else 0:.1f} s, the last after "
         f"{ends[-1] if ends else 0:.1f} s")
    outcome.check(
        f"what crosses between the zones is at most {COPIES} copies, and not one for each target",
        [] if copies <= COPIES else [f"{copies:.2f} copies"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="folder of the built programs")
    parser.add_argument("--long", action="store_true", help="taken, and changes nothing")
    options = parser.parse_args()
    outcome = Outcome()
    with Cluster(options.programs) as cluster:
        if os.geteuid() != 0 or shutil.which("unshare") is None or not can_tell_hosts_apart(cluster.folder):
            tell("skipped: hosts can't be told apart here; it needs root and mount namespaces")
        else:
            try:
                run(cluster, outcome)
            except Unanswered as error:
                outcome.check("the zones", [str(error)])
    outcome.finish()


if __name__ == "__main__":
    main()
