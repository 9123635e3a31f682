"""Means, 99th percentiles and worst values of what runs were expected to keep to, from the reports that
`Tests/Simulation/run.sh --keep FOLDER` left: one row for each bound, for simulations/README.md."""

import collections
import glob
import json
import math
import sys


def shown(value):
    return "never" if value is None else f"{value:.4g}"


def rows(folder):
    runs = collections.defaultdict(list)
    for name in sorted(glob.glob(f"{folder}/*.json")):
        with open(name) as file:
            text = file.read().strip()
        if text:
            report = json.loads(text)
            runs[report["scenario"]].append(report)
    for scenario, reports in sorted(runs.items()):
        expected = {metric: bound for report in reports for metric, bound in report["expected"].items()}
        broken = sum(bool(report["violations"]) for report in reports)
        for metric, bound in sorted(expected.items()) or [("none", {})]:
            values = [report["metrics"].get(metric) for report in reports]
            is_floor = "at_least" in bound
            # The worst last; what never came to be is worse than anything.
            worst_last = sorted(
                values, key=lambda value: math.inf if value is None else -value if is_floor else value)
            there = [value for value in values if value is not None]
            mean = sum(there) / len(there) if len(there) == len(values) else None
            tail = worst_last[max(0, math.ceil(0.99 * len(values)) - 1)]
            limit = f"at least {bound['at_least']:.4g}" if is_floor else f"at most {bound.get('at_most', math.nan):.4g}"
            yield (scenario, metric, limit, len(values), shown(mean), shown(tail), shown(worst_last[-1]), broken)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: Tests/Simulation/table.py FOLDER")
    print("| scenario | metric | expected | seeds | mean | p99 | worst | runs that broke an invariant |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows(sys.argv[1]):
        print("| " + " | ".join(str(cell) for cell in row) + " |")


if __name__ == "__main__":
    main()
