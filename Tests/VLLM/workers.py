"""Sidecars beside workers that are no engines: what goes wrong, and how long a worker waits for it.

Each test has pods of its own. A worker runs the package's own session over a small torch model.
"""

import argparse
import concurrent.futures
import os
import signal
import socket
import time

import zmq

from harness.cluster import Cluster
from harness.local_socket import Unanswered, eventually
from harness.outcome import Outcome
from pods import Pod, install_package

# Most of a test is waiting.
AT_ONCE = 3
# Of the sources whose transfers are interrupted: 64 MiB take about 16 s.
SLOW = ("--rate-limit", "4MB")
LARGE = ("--mib", 64)


class World:
    """The pods of one test."""

    def __init__(self, cluster, number):
        self.cluster = cluster
        self.number = number
        self.pods = []

    def pod(self, name, has_sidecar=True, **options):
        seeds = [pod.sidecar.bootstrap for pod in self.pods if pod.sidecar is not None][:1]
        pod = Pod(self.cluster, f"{self.number}{name}", seeds, has_sidecar=has_sidecar, **options)
        self.pods.append(pod)
        return pod

    def end(self):
        for pod in self.pods:
            pod.end()
            if pod.sidecar is not None and pod.sidecar.ended_at is None:
                pod.sidecar.kill()


def expect(condition, sentence):
    if not condition:
        raise Unanswered(sentence)


def a_replica_is_filled_by_another(world):
    source, target = world.pod("a"), world.pod("b")
    loaded = source.worker("--seed", 7).next("ready")
    source.await_source()
    filled = target.worker().next("ready")
    expect(loaded["loaded"] and not filled["loaded"], "the second one was not filled")
    expect(filled["digests"] == loaded["digests"], "its tensors differ")
    expect(filled["is_tied"], "tied tensors are no longer one")
    for ready in (loaded, filled):
        expect(ready["opened"] == ready["mapped"] == 1, f"more than one arena is left: {ready['opened']}, {ready['mapped']}")
    expect(filled["alias"] == filled["beginning"] == loaded["beginning"], "an alias looks at other memory")
    target.await_source(2)


def a_copy_is_shared_where_tensors_stay_where_they_are(world):
    source, target = world.pod("a"), world.pod("b")
    loaded = source.worker("--seed", 7, "--change", MX_ARENA="staged").next("ready")
    source.await_source()
    filled = target.worker(MX_ARENA="staged").next("ready")
    expect(not filled["loaded"], "the second one was not filled")
    differing = [name for name in loaded["digests"] if loaded["digests"][name] != filled["digests"][name]]
    expect(differing == ["scale"], f"processing changed scale at the source, and these differ: {differing}")


def what_processing_changes_in_place_is_not_served(world):
    source = world.pod("a")
    source.worker("--seed", 7, "--change").next("ready")
    [found] = source.await_source()
    expect(found["coverage"] < 1, "the source says that it has everything")
    expect("changed=1" in source.sidecar.last_words(), "the sidecar does not say that one chunk changed")


def a_model_with_state_beside_its_weights_is_no_source(world):
    source = world.pod("a")
    worker = source.worker("--seed", 7, "--hidden-state")
    worker.next("ready")
    expect("neither parameter nor buffer" in worker.words() and "extra.0" in worker.words(), worker.last_words())
    time.sleep(1)
    expect(not source.sources(), "it is a source all the same")


def another_dtype_or_revision_is_refused_by_name(world):
    source = world.pod("a")
    source.worker("--seed", 7).next("ready")
    source.await_source()
    for number, (option, value, words) in enumerate([
        ("--dtype", "float16", "dtype float32 instead of float16"),
        ("--revision", "2" * 40, f"revision {'1' * 40} instead of {'2' * 40}"),
    ]):
        worker = world.pod(f"b{number}").worker("--seed", 9, option, value)
        ready = worker.next("ready")
        expect(ready["loaded"], "it took weights of another kind")
        expect(words in worker.words(), f"{words!r} is not in {worker.last_words()}")


def other_tensors_under_one_name_are_refused_by_name(world):
    source, target = world.pod("a"), world.pod("b")
    source.worker("--seed", 7, "--mib", 16).next("ready")
    source.await_source()
    worker = target.worker("--seed", 9, "--mib", 8)
    expect(worker.next("ready")["loaded"], "it took weights of another shape")
    expect("large is float32 [16384, 256] instead of float32 [8192, 256]" in worker.words(), worker.last_words())


def weights_of_no_known_revision_are_shared_on_request_only(world):
    source, target = world.pod("a"), world.pod("b")
    worker = source.worker("--seed", 7, "--revision", "")
    worker.next("ready")
    expect("MX_MODEL_REVISION" in worker.words(), "it does not say what to set")
    time.sleep(1)
    expect(not source.sources(), "it is a source all the same")
    worker.kill()
    source.worker("--seed", 7, "--revision", "", label="again", MX_ALLOW_UNPINNED="1").next("ready")
    source.await_source()
    filled = target.worker("--revision", "", MX_ALLOW_UNPINNED="1").next("ready")
    expect(not filled["loaded"], "it was not filled")


def without_a_sidecar_it_loads_from_disk(world):
    pod = world.pod("a", has_sidecar=False)
    worker = pod.worker("--seed", 7, MX_SIDECAR_WAIT="2")
    ready = worker.next("ready")
    expect(ready["loaded"] and 2 <= ready["seconds"] < 8, f"after {ready['seconds']} s")
    expect("no sidecar within 2 s" in worker.words(), worker.last_words())


def with_a_sidecar_alone_in_the_world_it_loads_from_disk(world):
    ready = world.pod("a").worker("--seed", 7).next("ready")
    expect(ready["loaded"] and ready["seconds"] < 15, f"after {ready['seconds']} s")


def a_sidecar_that_hangs_is_waited_for_no_longer_than_told(world):
    source, target = world.pod("a", more=SLOW), world.pod("b")
    source.worker("--seed", 7, *LARGE).next("ready")
    source.await_source()
    worker = target.worker("--seed", 9, *LARGE, MX_TRANSFER_STALL="3")
    eventually("the fill begins", 20, lambda: "reading from a source" in target.sidecar.last_words())
    target.sidecar.process.send_signal(signal.SIGSTOP)
    ready = worker.next("ready")
    target.sidecar.process.send_signal(signal.SIGCONT)
    expect(ready["loaded"] and ready["seconds"] < 30, f"after {ready['seconds']} s")
    expect("says nothing since" in worker.words(), worker.last_words())
    time.sleep(2)
    expect(worker.do("state", "state")["digests"] == ready["digests"], "the sidecar wrote to it after all")


def a_sidecar_killed_while_it_fills_costs_a_bounded_wait(world):
    source, target = world.pod("a", more=SLOW), world.pod("b")
    source.worker("--seed", 7, *LARGE).next("ready")
    source.await_source()
    worker = target.worker("--seed", 9, *LARGE, MX_SIDECAR_WAIT="3")
    eventually("the fill begins", 20, lambda: "reading from a source" in target.sidecar.last_words())
    target.sidecar.kill()
    ready = worker.next("ready")
    expect(ready["loaded"] and ready["seconds"] < 30, f"after {ready['seconds']} s")
    expect("the sidecar is gone since" in worker.words(), worker.last_words())


def a_sidecar_restarted_while_it_fills_fills_anew(world):
    source, target = world.pod("a", more=SLOW), world.pod("b")
    loaded = source.worker("--seed", 7, *LARGE).next("ready")
    source.await_source()
    worker = target.worker(*LARGE)
    eventually("the fill begins", 20, lambda: "reading from a source" in target.sidecar.last_words())
    target.sidecar.kill()
    target.start_sidecar()
    ready = worker.next("ready")
    expect(not ready["loaded"] and ready["digests"] == loaded["digests"], "it was not filled")
    expect(ready["opened"] == ready["mapped"] == 1, "the arena of the first sidecar is left")


def a_source_killed_while_it_is_read_is_replaced(world):
    first, second, target = world.pod("a", more=SLOW), world.pod("b", more=SLOW), world.pod("c")
    loaded = first.worker("--seed", 7, *LARGE).next("ready")
    first.await_source()
    second.worker(*LARGE).next("ready")
    target.await_source(2)
    worker = target.worker(*LARGE)
    eventually("both are read", 30, lambda: target.sidecar.last_words().count("reading from a source") >= 2)
    first.sidecar.kill()
    ready = worker.next("ready")
    expect(not ready["loaded"] and ready["digests"] == loaded["digests"], "it was not filled by the other")


def a_lone_source_killed_while_it_is_read_means_disk(world):
    source, target = world.pod("a", more=SLOW), world.pod("b", variables={"MX_TRANSFER_STALL": "4"})
    source.worker("--seed", 7, *LARGE).next("ready")
    source.await_source()
    worker = target.worker("--seed", 9, *LARGE, MX_TRANSFER_STALL="30")
    eventually("the fill begins", 20, lambda: "reading from a source" in target.sidecar.last_words())
    source.sidecar.kill()
    ready = worker.next("ready")
    expect(ready["loaded"] and ready["seconds"] < 40, f"after {ready['seconds']} s")


def an_engine_that_ends_lets_its_readers_finish(world):
    source, target = world.pod("a", more=SLOW), world.pod("b")
    engine = source.worker("--seed", 7, *LARGE)
    loaded = engine.next("ready")
    source.await_source()
    worker = target.worker("--seed", 9, *LARGE)
    eventually("the fill begins", 20, lambda: "reading from a source" in target.sidecar.last_words())
    engine.kill()
    ready = worker.next("ready")
    expect(not ready["loaded"] and ready["digests"] == loaded["digests"], "its reader was cut off")


def a_sidecar_that_is_told_to_end_lets_its_readers_finish(world):
    source, target = world.pod("a", more=SLOW), world.pod("b")
    loaded = source.worker("--seed", 7, *LARGE).next("ready")
    source.await_source()
    worker = target.worker("--seed", 9, *LARGE)
    eventually("the fill begins", 20, lambda: "reading from a source" in target.sidecar.last_words())
    source.sidecar.process.send_signal(signal.SIGTERM)
    ready = worker.next("ready")
    expect(not ready["loaded"] and ready["digests"] == loaded["digests"], "its reader was cut off")
    code = source.sidecar.process.wait(20)
    expect(code == 0 and "readers finish first" in source.sidecar.last_words(), f"it ended with {code}")


def three_at_once_on_one_source(world):
    source = world.pod("a", more=("--rate-limit", "16MB"))
    loaded = source.worker("--seed", 7, *LARGE).next("ready")
    source.await_source()
    pods = [world.pod(name) for name in "bcd"]
    workers = [pod.worker(*LARGE) for pod in pods]
    for ready in [worker.next("ready") for worker in workers]:
        expect(not ready["loaded"] and ready["digests"] == loaded["digests"], "one was not filled")


def three_at_once_on_nothing(world):
    pods = [world.pod(name) for name in "abc"]
    workers = [pod.worker("--seed", 7, "--load-seconds", 6) for pod in pods]
    ready = [worker.next("ready") for worker in workers]
    loaded = [item for item in ready if item["loaded"]]
    expect(len(loaded) == 2, f"{len(loaded)} of 3 loaded from disk")
    expect(all(item["digests"] == ready[0]["digests"] for item in ready), "they differ")


def a_loader_that_dies_is_replaced(world):
    pods = [world.pod(name, variables={"MX_COLD_LOADERS": "1"}) for name in "ab"]
    workers = [pod.worker("--seed", 7, "--load-seconds", 12) for pod in pods]
    words = lambda pod: "loads from disk" in pod.sidecar.last_words()
    eventually("one of them loads", 20, lambda: any(map(words, pods)))
    first = 0 if words(pods[0]) else 1
    expect(not words(pods[1 - first]), "both load")
    workers[first].kill()
    expect(workers[1 - first].next("ready")["loaded"], "the other one did not load")


def a_worker_without_disk_waits_for_the_loader(world):
    with_disk, without = world.pod("a"), world.pod("b")
    waiting = without.worker()
    time.sleep(3)
    with_disk.worker("--seed", 7, "--load-seconds", 3).next("ready")
    expect(not waiting.next("ready")["loaded"], "it was not filled")


def a_worker_restarted_is_filled_again(world):
    source, target = world.pod("a"), world.pod("b")
    loaded = source.worker("--seed", 7).next("ready")
    source.await_source()
    worker = target.worker()
    worker.next("ready")
    target.await_source(2)
    worker.kill()
    eventually("the dead one is no source", 20, lambda: len(source.sources()) == 1)
    ready = target.worker(label="again").next("ready")
    expect(not ready["loaded"] and ready["digests"] == loaded["digests"], "it was not filled")


def a_sidecar_restarted_goes_on_serving(world):
    source, target = world.pod("a"), world.pod("b")
    loaded = source.worker("--seed", 7).next("ready")
    source.await_source()
    source.sidecar.kill()
    source.start_sidecar()
    source.await_source()
    target.seeds = [source.sidecar.bootstrap]
    target.sidecar.kill()
    target.start_sidecar()
    ready = target.worker().next("ready")
    expect(not ready["loaded"] and ready["digests"] == loaded["digests"], "it was not filled")


def a_worker_that_changes_its_weights_stops_being_a_source_first(world):
    source = world.pod("a")
    worker = source.worker("--seed", 7)
    worker.next("ready")
    source.await_source()
    worker.do("change", "changed")
    expect(not source.sources(), "it is offered still")
    expect("no longer a source" in worker.words(), worker.last_words())


def garbage_on_the_sockets_harms_nobody(world):
    source, target = world.pod("a"), world.pod("b")
    worker = source.worker("--seed", 7)
    loaded = worker.next("ready")
    source.await_source()
    path = f"{source.folder}/vllm-0"
    context = zmq.Context()
    stranger = context.socket(zmq.DEALER)
    stranger.setsockopt(zmq.LINGER, 0)
    stranger.connect(f"ipc://{path}.sock")
    for frames in ([b""], [b"x" * 100_000], [b"{}", b"{}"], [b"[1]"], [b'{"protocol":1}'],
                   [b'{"protocol":9,"id":1,"request":"hello"}'],
                   [b'{"protocol":1,"id":1,"request":"proceed","generation":"?"}']):
        stranger.send_multipart(frames)
    for bytes_ in (b"", b"\x00\xff" * 3000, b"{}\n", b'{"generation": 7}', b"[" * 4000):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{path}.fd.sock")
            client.sendall(bytes_)
    idle = []
    for _ in range(20):
        client = socket.socket(socket.AF_UNIX)
        client.connect(f"{path}.fd.sock")
        idle.append(client)
    time.sleep(0.5)
    expect(worker.do("state", "state")["digests"] == loaded["digests"], "its tensors changed")
    for client in idle:
        client.close()
    context.destroy(linger=0)
    expect(not target.worker().next("ready")["loaded"], "nobody is filled any more")


def files_that_are_no_sockets_are_passed_over(world):
    pod = world.pod("a")
    for name in ("vllm-0.sock", "vllm-x.sock", "vllm-99999999999999999999.sock", "other"):
        with open(f"{pod.folder}/{name}", "w") as file:
            file.write("nothing")
    os.mkdir(f"{pod.folder}/vllm-5.sock")
    time.sleep(1)
    expect(pod.worker("--seed", 7).next("ready")["loaded"], "the worker did not start")
    pod.await_source()


TESTS = [
    a_replica_is_filled_by_another, a_copy_is_shared_where_tensors_stay_where_they_are,
    what_processing_changes_in_place_is_not_served, a_model_with_state_beside_its_weights_is_no_source,
    another_dtype_or_revision_is_refused_by_name, other_tensors_under_one_name_are_refused_by_name,
    weights_of_no_known_revision_are_shared_on_request_only, without_a_sidecar_it_loads_from_disk,
    with_a_sidecar_alone_in_the_world_it_loads_from_disk, a_sidecar_that_hangs_is_waited_for_no_longer_than_told,
    a_sidecar_killed_while_it_fills_costs_a_bounded_wait, a_sidecar_restarted_while_it_fills_fills_anew,
    an_engine_that_ends_lets_its_readers_finish, a_sidecar_that_is_told_to_end_lets_its_readers_finish,
    a_source_killed_while_it_is_read_is_replaced, a_lone_source_killed_while_it_is_read_means_disk,
    three_at_once_on_one_source, three_at_once_on_nothing, a_loader_that_dies_is_replaced,
    a_worker_without_disk_waits_for_the_loader, a_worker_restarted_is_filled_again,
    a_sidecar_restarted_goes_on_serving, a_worker_that_changes_its_weights_stops_being_a_source_first,
    garbage_on_the_sockets_harms_nobody, files_that_are_no_sockets_are_passed_over,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="folder of the built programs")
    parser.add_argument("names", nargs="*", help="parts of the names of tests (default: all)")
    options = parser.parse_args()
    outcome = Outcome()
    with Cluster(options.programs) as cluster:
        install_package(cluster)
        chosen = [test for test in TESTS if not options.names or any(name in test.__name__ for name in options.names)]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            running = {
                pool.submit(problems_of, test, World(cluster, number)): test for number, test in enumerate(chosen)}
            for ended in concurrent.futures.as_completed(running):
                outcome.check(running[ended].__name__.replace("_", " "), ended.result())
    outcome.finish()


def problems_of(test, world):
    """What is wrong, in words; empty when the test passes."""
    try:
        test(world)
        return []
    except Exception as error:
        logs = [
            f"{pod.name}: {pod.sidecar.last_words()[-1500:]}" for pod in world.pods if pod.sidecar is not None]
        kind = "" if isinstance(error, Unanswered) else f"{type(error).__name__}: "
        return [f"{kind}{error}", *logs]
    finally:
        world.end()


if __name__ == "__main__":
    main()
