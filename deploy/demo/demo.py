"""The play behind deploy/demo.sh, which checks the flags and says what they mean."""

import argparse
import os
import sys
import time

import checkpoint
import report
from build import build
from cluster import Cluster
from digests import Digests, model_files
from failure import DemoError
from interrupts import Interrupted, Interrupts, end_as_signalled
from places import Places
from rounds import THROTTLE_PARTS, Play, Round
from screen import Screen

_GENERATED_NAME = "demo-model"
_LOG_LINES = 15


class Demo:
    """One run: `play` does it, `clean_up` removes every trace, whatever happened before."""

    def __init__(self, options, interrupts, screen):
        self._options = options
        self._interrupts = interrupts
        self._screen = screen
        self._began = time.monotonic()
        self._places = Places(interrupts, options.keep)
        self._cluster = None
        self._digests = None
        self.model = options.name or self._default_name()
        self.model_bytes = 0
        self.rounds = []
        self.kill_round = None

    def _default_name(self):
        folder = self._options.model
        return os.path.basename(os.path.abspath(folder)) if folder else _GENERATED_NAME

    @property
    def seconds(self):
        return round(time.monotonic() - self._began, 1)

    def play(self):
        """Raises `DemoError` when something fails."""
        model = self._options.model and os.path.realpath(self._options.model)
        size = _size(model) if model else self._options.size
        work = self._places.make_work_folder(self._options.work, size, is_generated=not model)
        run = self._places.make_run_folder()
        programs = self._programs(run)
        source = model or self._generate(work)
        self.model_bytes = _size(source)
        self._places.touch_memory(work, self.model_bytes)
        self._digests = Digests(source)
        self._cluster = Cluster(programs, run, self._interrupts)
        self._cluster.make_keys()
        self._cluster.start_server()
        self._screen.step("server", f"{self._cluster.server_url}, with a Redis of its own")
        stage = Play(
            self._cluster, self.model, self.model_bytes, os.path.join(work, "copies"), self._digests, self._screen)
        self._plain_rounds(stage, source)
        self._round_with_kill(stage, source)
        self._conclude()

    def _programs(self, run):
        if self._options.programs:
            return os.path.realpath(self._options.programs)
        self._screen.step("build", f"swift build {' '.join(self._options.build_flags)} (minutes, the first time)")
        began = time.monotonic()
        programs = build(self._options.root, self._options.build_flags, os.path.join(run, "build.log"), self._screen)
        self._screen.step("build", f"done in {time.monotonic() - began:.0f} s")
        return programs

    def _generate(self, work):
        folder = os.path.join(work, _GENERATED_NAME)
        try:
            checkpoint.generate(folder, self._options.size)
        except OSError as error:
            raise DemoError(f"the checkpoint could not be written: {error}") from None
        return folder

    def _plain_rounds(self, stage, folder):
        files = len(model_files(folder))
        self._screen.step("model", f"{self.model}, {report.megabytes(self.model_bytes)} in {files} files: {folder}")
        self._screen.progress("source", "source-1 makes its manifest")
        sources = self._cluster.start_sources(["source-1"], folder, self.model, self.model_bytes)
        self._digests.finish_source()
        for plan in (
            Round("shm", "one source, three targets, shared memory", "shm"),
            Round("tcp", "one source, three targets, TCP", "tcp"),
        ):
            self.rounds.append(plan)
            stage.play(plan, sources)
            self._screen.step(plan.name, report.summary(plan))
        self._cluster.end(sources)

    def _round_with_kill(self, stage, folder):
        rate = self.model_bytes // THROTTLE_PARTS
        self._screen.progress("kill", "source-1 and source-2 make their manifests")
        sources = self._cluster.start_sources(["source-1", "source-2"], folder, self.model, self.model_bytes, rate)
        plan = Round("kill", f"two sources, three targets, TCP at {report.megabytes(rate)}/s a peer", "tcp")
        self.kill_round = plan
        stage.play_with_kill(plan, sources)
        self._screen.step(plan.name, report.summary(plan))

    def _conclude(self):
        played = [*self.rounds, self.kill_round]
        self._screen.say()
        self._screen.say(report.table(played, self._screen))
        self._screen.say()
        for plan in played:
            for target in plan.targets:
                if not target.is_equal:
                    files = ", ".join(target.differing)
                    raise DemoError(f"round {plan.name}: {target.name}'s copy differs from the source in {files}")
        copies = sum(len(plan.targets) for plan in played)
        self._screen.say(
            f"All {copies} copies have the same SHA-256, file by file, as their source. Took {self.seconds:.0f} s.")

    def clean_up(self):
        """Ends every process and removes every file."""
        if self._cluster:
            self._cluster.children.end_all()
        if self._digests:
            self._digests.close()
        for folder in self._places.remove():
            self._screen.say(f"kept: {folder}")


def main():
    options = _options()
    interrupts = Interrupts()
    screen = Screen(options.json)
    demo = Demo(options, interrupts, screen)
    error = signal_number = None
    try:
        try:
            demo.play()
        finally:
            interrupts.ignore()
    except Interrupted as interruption:
        signal_number = interruption.number
        screen.error(f"interrupted by {interruption}: cleaning up")
    except DemoError as failure:
        error = str(failure)
        screen.error(error)
        _show_end_of(failure.log)
    except BrokenPipeError:
        error = "standard output was closed"
    finally:
        demo.clean_up()
    if signal_number:
        end_as_signalled(signal_number)
    if options.json:
        print(report.json_line(
            demo.model, demo.model_bytes, demo.rounds, demo.kill_round, demo.seconds, error), flush=True)
    return 1 if error else 0


def _options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True)
    parser.add_argument("--model")
    parser.add_argument("--name")
    parser.add_argument("--size", type=int)
    parser.add_argument("--work")
    parser.add_argument("--programs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("build_flags", nargs="*")
    return parser.parse_args()


def _size(folder):
    return sum(os.path.getsize(os.path.join(folder, name)) for name in model_files(folder))


def _show_end_of(log):
    if log and os.path.exists(log):
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()[-_LOG_LINES:]
        print(f"the end of {os.path.basename(log)}:", *(f"  {line[:400]}" for line in lines), sep="\n", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
