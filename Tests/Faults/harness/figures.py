"""Figures of processes and of samples."""

import math
import os
import re
import time


def percentile(samples, share):
    """The smallest sample that at least `share` of all samples don't exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(samples, unit, scale=1.0):
    middle, high, top = percentile(samples, 0.5), percentile(samples, 0.99), max(samples)
    return f"median {middle * scale:.1f}, p99 {high * scale:.1f}, most {top * scale:.1f} {unit}"


def cpu_seconds(process):
    """User and system time since its start, of all its threads."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process):
    """Resident and anonymous bytes, and the number of threads."""
    with open(f"/proc/{process}/status") as file:
        text = file.read()
    kilobytes = {key: int(value) for key, value in re.findall(r"^(\w+):\s+(\d+)", text, re.MULTILINE)}
    return kilobytes["VmRSS"] * 1024, kilobytes["RssAnon"] * 1024, kilobytes["Threads"]


def counters(peer):
    """A peer's metrics, summed over their labels."""
    sums = {}
    for line in peer.local.ask("metrics")["metrics"].splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            name = name.split("{")[0]
            sums[name] = sums.get(name, 0.0) + float(value)
    return sums


def series(peer):
    """A peer's metrics by name and labels, as they are exposed."""
    lines = peer.local.ask("metrics")["metrics"].splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] != "#")}


def report_at_rest(peers, seconds, tell):
    """What peers use while nobody asks anything of them."""
    processes = [peer.process.pid for peer in peers]
    before, counted = [cpu_seconds(process) for process in processes], [counters(peer) for peer in peers]
    start = time.monotonic()
    time.sleep(seconds)
    after, period = [cpu_seconds(process) for process in processes], time.monotonic() - start
    shares = [(late - early) / period * 100 for early, late in zip(before, after)]
    resident, anonymous, threads = zip(*(memory(process) for process in processes))
    tell(f"at rest, {len(peers)} sidecars over {period:.0f} s, each:")
    tell(f"  CPU       {spread(shares, '% of a core')}; all together {sum(shares):.0f}%")
    tell(f"  resident  {spread(resident, 'MB', 1e-6)}; anonymous {spread(anonymous, 'MB', 1e-6)}")
    tell(f"  threads   {spread(threads, '')}")
    late = [counters(peer) for peer in peers]
    for key, words in (
        ("modelexpress_mesh_gossip_frames_total", "gossip frames heard a second"),
        ("modelexpress_mesh_gossip_bytes_total", "gossip bytes heard a second"),
        ("modelexpress_mesh_control_messages_total", "control messages heard a second"),
        ("modelexpress_mesh_published_frames_total", "frames published a second"),
    ):
        rates = [(new.get(key, 0) - old.get(key, 0)) / period for old, new in zip(counted, late)]
        tell(f"  {spread(rates, words)}")


def histogram(peers, name, label):
    """Bounds in seconds and counts of a histogram, over all peers, each class alone."""
    pattern = re.compile(rf'^{name}_bucket{{(.*)}} (\S+)$')
    totals = {}
    for peer in peers:
        for line in peer.local.ask("metrics")["metrics"].splitlines():
            match = pattern.match(line)
            if match and label in match[1]:
                bound = re.search(r'le="([^"]+)"', match[1])[1]
                totals[float(bound.replace("+Inf", "inf"))] = totals.get(
                    float(bound.replace("+Inf", "inf")), 0) + float(match[2])
    bounds = sorted(totals)
    return bounds, [totals[bound] - (totals[bounds[index - 1]] if index else 0) for index, bound in enumerate(bounds)]


def quantile(bounds, counts, share):
    """The upper bound of the class that holds the quantile; the true value is at most that."""
    wanted, seen = share * sum(counts), 0
    for bound, count in zip(bounds, counts):
        seen += count
        if seen >= wanted:
            return bound
    return math.inf
