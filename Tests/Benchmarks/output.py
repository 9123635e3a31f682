"""What a measurement gives, and how it is printed: one JSON object a line, or a table for people."""

import dataclasses
import json
import statistics

AT_LEAST, AT_MOST = "at least", "at most"


@dataclasses.dataclass
class Figure:
    """One measurement.

    `runs` are ours; `references` are runs of what it is compared with, in the same unit. `ratios` are, run by run, what the
    goal is set for (`ratio_of` says in words what that is).
    """

    name: str
    unit: str
    runs: list
    references: dict = dataclasses.field(default_factory=dict)
    ratios: list = dataclasses.field(default_factory=list)
    ratio_of: str = ""
    goal: float | None = None
    bound: str = AT_LEAST
    # References that were left out, and why.
    left_out: dict = dataclasses.field(default_factory=dict)
    # What else is known, such as CPU seconds and lanes.
    details: dict = dataclasses.field(default_factory=dict)

    @property
    def ours(self):
        return statistics.median(self.runs)

    @property
    def ratio(self):
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def holds(self):
        if self.goal is None or self.ratio is None:
            return None
        return self.ratio >= self.goal if self.bound == AT_LEAST else self.ratio <= self.goal

    def as_line(self):
        return {
            "name": self.name, "ours": self.ours, "unit": self.unit,
            "references": {name: statistics.median(runs) for name, runs in self.references.items()},
            "ratio": self.ratio, "ratio_of": self.ratio_of, "goal": self.goal, "goal_is": self.bound,
            "holds": self.holds, "runs": self.runs, "range": [min(self.runs), max(self.runs)],
            "reference_runs": self.references, "ratio_runs": self.ratios, "left_out": self.left_out, **self.details,
        }


def tell(figure, as_json):
    print(json.dumps(rounded(figure.as_line())) if as_json else as_text(figure), flush=True)


def tell_skipped(name, reason, as_json):
    print(json.dumps({"name": name, "skipped": reason}) if as_json else f"{name}\n  skipped: {reason}", flush=True)


def rounded(value):
    """Six digits are more than any of it is worth."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(each) for each in value]
    return value


def as_text(figure):
    lines = [f"{figure.name}"]
    lines.append(row("ours", figure.runs, figure.unit))
    lines += [row(name, runs, figure.unit) for name, runs in figure.references.items()]
    lines += [f"  {name:44} left out: {reason}" for name, reason in figure.left_out.items()]
    if figure.ratio is not None:
        text = f"{figure.ratio:.3f} ({min(figure.ratios):.3f} to {max(figure.ratios):.3f})"
        if figure.goal is not None:
            text += f", goal {figure.bound} {figure.goal:g}: {'holds' if figure.holds else 'does not hold'}"
        lines.append(f"  {figure.ratio_of}: {text}")
    lines += [f"  {key.replace('_', ' ')}: {plain(value)}" for key, value in figure.details.items()]
    return "\n".join(lines)


def row(name, runs, unit):
    return f"  {name:44} {statistics.median(runs):10.4g} {unit:8} {min(runs):.4g} to {max(runs):.4g}, {len(runs)} runs"


def plain(value):
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(each)}" for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return " ".join(plain(each) for each in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
