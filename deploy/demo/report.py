"""The table for people and the object for programs."""

import json

_HEADINGS = ("ROUND", "TARGET", "SOURCE", "LANE", "READ", "CHUNKS VERIFIED", "SECONDS", "GB/S", "SHA-256")
_RIGHT_ALIGNED = {"READ", "CHUNKS VERIFIED", "SECONDS", "GB/S"}


def table(rounds, screen):
    """Who read how much from whom: a row for each source of each target, and a row for the target."""
    rows = []
    for played in rounds:
        for target in played.targets:
            for source in sorted(target.sources, key=lambda source: source["name"]):
                if source["bytes"]:
                    killed = " (killed)" if source["name"] == played.killed else ""
                    rows.append((
                        played.name, target.name, source["name"] + killed, source["lane"], megabytes(source["bytes"]),
                        str(source["chunks"]), "", "", ""))
            rows.append((
                played.name, target.name, "all", played.lane, megabytes(target.bytes), str(target.chunks_verified),
                f"{target.seconds:.2f}", f"{target.bytes / 1e9 / target.seconds:.3f}",
                "equal" if target.is_equal else "DIFFERENT"))
    widths = [max(len(row[column]) for row in [_HEADINGS, *rows]) for column in range(len(_HEADINGS))]
    lines = [screen.bold(_line(_HEADINGS, widths))]
    for row in rows:
        line = _line(row, widths)
        if row[-1]:
            ending = screen.green(row[-1]) if row[-1] == "equal" else screen.red(row[-1])
            line = line[:-len(row[-1])] + ending
        lines.append(line)
    return "\n".join(lines)


def _line(cells, widths):
    padded = [
        cell.rjust(width) if heading in _RIGHT_ALIGNED else cell.ljust(width)
        for cell, width, heading in zip(cells, widths, _HEADINGS)]
    return "  ".join(padded).rstrip()


def megabytes(count):
    return f"{count / 1e6:.1f} MB"


def summary(played):
    """One line about a round."""
    text = (
        f"{played.title}: {len(played.targets)} x {megabytes(played.targets[0].bytes)} in {played.seconds:.2f} s, "
        f"{played.gigabytes_per_second:.3f} GB/s")
    if played.killed:
        text += f"; {played.killed} was killed when it had served {megabytes(played.killed_after_bytes)}"
    return text


def json_line(model, model_bytes, rounds, kill_round, seconds, error=None):
    """The object that --json prints; with `error` it holds what was played until then."""
    value = {
        "model": model,
        "model_bytes": model_bytes,
        "rounds": [_round(played) for played in rounds],
        "kill_round": kill_round and _round(kill_round) | {
            "killed": kill_round.killed,
            "killed_after_bytes": kill_round.killed_after_bytes,
            "bytes_per_second_limit": kill_round.rate,
            "targets_completed": len(kill_round.targets),
            "sha256_equal": kill_round.is_equal,
        },
        "seconds": seconds,
    }
    return json.dumps(value | ({"error": error} if error else {}))


def _round(played):
    return {
        "name": played.name,
        "lane": played.lane,
        "gigabytes_per_second": round(played.gigabytes_per_second, 3),
        "seconds": round(played.seconds, 3),
        "targets": [_target(target) for target in played.targets],
    }


def _target(target):
    return {
        "name": target.name,
        "seconds": round(target.seconds, 3),
        "bytes": target.bytes,
        "chunks_verified": target.chunks_verified,
        "sha256_equal": target.is_equal,
        "sources": [
            {key: source[key] for key in ("peer", "name", "bytes", "lane", "chunks")} for source in target.sources],
    }
