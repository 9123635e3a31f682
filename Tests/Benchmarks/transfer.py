"""Measures the transfer engine with the built programs and with references in the same run."""

import argparse
import sys

from interrupts import Interrupted, Interrupts, end_as_signalled

from measurements import crowd, failures, fan_in, rdma, same_host, tcp
from output import tell as tell_figure, tell_skipped
from rig.processes import Failed
from rig.stage import Skipped, Stage, tell

MEASUREMENTS = {
    "same-host": same_host.crc,
    "same-host-full": same_host.full,
    "tcp": tcp.measure,
    "fan-in-equal": fan_in.equal,
    "fan-in-skewed": fan_in.skewed,
    "flash-crowd-8": crowd.measure,
    "source-killed": failures.killed,
    "source-stopped": failures.stopped,
    "rdma": rdma.measure,
    "registration": rdma.registration,
    "verification": same_host.verification,
}


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="folder of the built programs")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--runs", type=int, default=5, help="how often each is taken")
    parser.add_argument("names", nargs="+", choices=MEASUREMENTS)
    return parser.parse_args()


def main():
    chosen = options()
    interrupts = Interrupts()
    stage = Stage(chosen.programs, chosen.runs, interrupts)
    has_failed = False
    try:
        for name in chosen.names:
            try:
                figures = MEASUREMENTS[name](stage)
                for figure in figures if isinstance(figures, list) else [figures]:
                    tell_figure(figure, chosen.json)
            except Skipped as reason:
                tell_skipped(name, str(reason), chosen.json)
            except Failed as failure:
                has_failed = True
                tell(f"{name}: {failure}")
    except Interrupted as interrupted:
        end_as_signalled(interrupted.number)
    sys.exit(1 if has_failed else 0)


if __name__ == "__main__":
    main()
