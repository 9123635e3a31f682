"""The Python package by itself: settings, identity, which memory is weights, arenas, the loader's choice."""

import os
import re
import sys
import types
import unittest

import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.join(HERE, "..", "..", "deploy", "vllm")
sys.path.insert(0, PACKAGE)

from modelexpress_mesh import arena, identity, settings, tensors  # noqa: E402


class SettingsTests(unittest.TestCase):
    def test_the_table_for_people_is_what_the_code_does(self):
        with open(f"{PACKAGE}/README.md") as file:
            rows = re.findall(r"^\| `(MX_\w+)` \| (?:`([^`]*)`)? ?\| (.*) \|$", file.read(), re.MULTILINE)
        told = {name: (default, meaning) for name, default, meaning in rows}
        for variable in settings.VARIABLES:
            self.assertEqual(told.get(variable.name), (variable.default, variable.meaning))

    def test_every_variable_that_the_code_reads_is_in_the_table(self):
        known = {variable.name for variable in settings.VARIABLES}
        for name in os.listdir(f"{PACKAGE}/modelexpress_mesh"):
            if name.endswith(".py"):
                with open(f"{PACKAGE}/modelexpress_mesh/{name}") as file:
                    for used in re.findall(r'"(MX_\w+)"', file.read()):
                        self.assertIn(used, known, name)

    def test_what_the_sidecar_reads_for_engines_is_in_the_other_table(self):
        with open(f"{HERE}/../../Sources/Sidecar/Engine/EngineSettings.swift") as file:
            used = set(re.findall(r'environment\["(MX_\w+)"\]', file.read()))
        with open(f"{PACKAGE}/README.md") as file:
            text = file.read()
        self.assertEqual(used, {"MX_ZMQ_ADDRESS", "MX_COLD_LOADERS", "MX_WAIT_FOR_SOURCE"})
        for name in used:
            self.assertIn(f"`{name}`", text)
        self.assertRegex(text, r"\| `MX_COLD_LOADERS` \| `2` \|")
        self.assertRegex(text, r"\| `MX_WAIT_FOR_SOURCE` \| `600s` \|")

    def test_the_defaults_can_be_used(self):
        read = settings.Settings.from_environment({})
        self.assertEqual(read.socket_path(3), "/tmp/mx/vllm-3.sock")
        self.assertEqual(read.descriptor_path(read.socket_path(3)), "/tmp/mx/vllm-3.fd.sock")
        self.assertFalse(read.allow_unpinned)

    def test_what_can_not_be_used_is_named(self):
        for name, value in [
            ("MX_SIDECAR_WAIT", "soon"), ("MX_SIDECAR_WAIT", "-1"), ("MX_SIDECAR_WAIT", "nan"),
            ("MX_ALLOW_UNPINNED", "maybe"), ("MX_ZMQ_ADDRESS", "tcp://*:5000"), ("MX_ARENA", "huge"),
        ]:
            with self.assertRaisesRegex(settings.SettingsError, f"{name}={re.escape(value)}"):
                settings.Settings.from_environment({name: value})
        long = settings.Settings.from_environment({"MX_ZMQ_ADDRESS": f"ipc:///{'x' * 100}.sock"})
        with self.assertRaisesRegex(settings.SettingsError, "107"):
            long.socket_path(0)


class Hard(nn.Module):
    def __init__(self):
        super().__init__()
        base = torch.arange(50.0)
        # The view comes first by name and by address, and is shorter than what it is a view of.
        self.a = nn.Parameter(base[:10], requires_grad=False)
        self.base = nn.Parameter(base, requires_grad=False)
        self.middle = nn.Parameter(base[20:40].view(4, 5).t(), requires_grad=False)
        self.tied = self.base
        self.empty = nn.Parameter(torch.zeros(0, 3), requires_grad=False)
        self.hollow = nn.Parameter(torch.zeros(5, 0), requires_grad=False)
        self.register_buffer("kept", torch.ones(2, dtype=torch.int8))
        self.register_buffer("computed", torch.ones(2), persistent=False)
        self.listed = [{"deep": (torch.zeros(3), base[5:7])}]
        self.number = 7


class TensorTests(unittest.TestCase):
    def test_views_share_the_storage_that_covers_all_of_them(self):
        weights = tensors.find(Hard())
        by_name = {view.name: view for view in weights.views}
        self.assertEqual(weights.names, ["a", "empty", "hollow", "kept"])
        self.assertEqual(weights.sizes, [200, 0, 0, 2])
        self.assertEqual({by_name[name].storage for name in ("a", "base", "middle", "tied")}, {0})
        self.assertEqual((by_name["middle"].offset, by_name["middle"].size), (80, 80))
        self.assertEqual((by_name["middle"].shape, by_name["middle"].stride), ((5, 4), (1, 5)))
        self.assertEqual((by_name["empty"].size, by_name["hollow"].size), (0, 0))
        self.assertNotIn("computed", by_name)

    def test_two_processes_describe_one_model_alike(self):
        self.assertEqual(tensors.find(Hard()).layout(), tensors.find(Hard()).layout())

    def test_a_model_without_memory_or_without_weights_is_refused_by_name(self):
        model = Hard()
        model.later = nn.Parameter(torch.empty(3, device="meta"), requires_grad=False)
        with self.assertRaisesRegex(tensors.Unsuitable, "later"):
            tensors.find(model)
        with self.assertRaisesRegex(tensors.Unsuitable, "no weights"):
            tensors.find(nn.Module())

    def test_a_change_beside_the_weights_is_seen(self):
        model = Hard()
        before = tensors.other_state(model)
        model.base.data.fill_(3)
        self.assertEqual(tensors.changes(before, tensors.other_state(model)), [])
        model.listed[0]["deep"][0].fill_(1)
        model.computed.fill_(2)
        model.number = 8
        model.added = torch.ones(1)
        self.assertEqual(
            tensors.changes(before, tensors.other_state(model)),
            ["added", "computed", "listed.0.deep.0", "number"])


class ArenaTests(unittest.TestCase):
    def test_moved_tensors_and_all_their_aliases_look_into_the_arena(self):
        source, target = Hard(), Hard()
        source.base.data.copy_(torch.arange(50.0) * 3)
        source.kept.fill_(5)
        weights = tensors.find(target)
        made = arena.Arena(weights)
        made.copy_in(tensors.find(source))
        outside = target.base[1:3]
        made.seal()
        made.move_in(weights)
        for name, tensor in source.state_dict().items():
            self.assertTrue(torch.equal(tensor, target.state_dict()[name]), name)
        self.assertIs(target.tied, target.base)
        self.assertEqual(target.middle.stride(), (1, 5))
        self.assertEqual(outside.tolist(), [3.0, 6.0])
        self.assertEqual(target.listed[0]["deep"][1].tolist(), [15.0, 18.0])
        # What is sealed can't be mapped for writing again, and neither grows nor shrinks.
        with self.assertRaises(RuntimeError):
            torch.UntypedStorage.from_file(f"/proc/self/fd/{made.descriptor}", True, made.size)
        with self.assertRaises(OSError):
            os.ftruncate(made.descriptor, 1)
        made.close()
        self.assertEqual(target.base[49].item(), 147.0)

    def test_a_copy_comes_back_whole(self):
        source, target = Hard(), Hard()
        source.base.data.mul_(2)
        weights = tensors.find(target)
        made = arena.Arena(weights)
        made.copy_in(tensors.find(source))
        made.copy_out(weights)
        self.assertTrue(torch.equal(source.base, target.base))

    def test_storages_begin_at_cache_lines(self):
        self.assertEqual(arena.starts_of([1, 64, 0, 65, 2]), ([0, 64, 128, 128, 256], 258))

    def test_too_little_memory_is_said_before_it_is_taken(self):
        with self.assertRaisesRegex(tensors.Unsuitable, "memory limit"):
            arena.require_memory(1 << 60)


def configuration(**fields):
    model = {"model": "/models/x", "served_model_name": ["served", "other"], "revision": None, "dtype": torch.bfloat16,
             "quantization": None, "hf_config": None}
    parallel = {"tensor_parallel_size": 4, "pipeline_parallel_size": 1, "data_parallel_size": 2,
                "enable_expert_parallel": False, "data_parallel_rank": 1, "rank": 3}
    parallel |= {name: value for name, value in fields.items() if name in parallel}
    model |= {name: value for name, value in fields.items() if name in model}
    return types.SimpleNamespace(
        parallel_config=types.SimpleNamespace(**parallel), model_config=types.SimpleNamespace(**model))


class IdentityTests(unittest.TestCase):
    def of(self, environment=None, **fields):
        made = configuration(**fields)
        return identity.of(made, made.model_config, settings.Settings.from_environment(environment or {}), "loaded")

    def test_what_an_operator_sets_goes_first(self):
        commit = "a" * 40
        found = self.of(model=f"/hub/models--x/snapshots/{commit}")
        self.assertEqual((found.model, found.revision, found.dtype), ("served", commit, "bfloat16"))
        found = self.of({"MX_MODEL_NAME": "n", "MX_MODEL_REVISION": "v1"}, model=f"/hub/snapshots/{commit}")
        self.assertEqual((found.model, found.revision), ("n", "v1"))

    def test_a_folder_of_ones_own_has_no_revision(self):
        self.assertEqual(self.of().revision, "")
        self.assertEqual(self.of(revision="main").revision, "")
        known = types.SimpleNamespace(_commit_hash="b" * 40)
        self.assertEqual(self.of(hf_config=known).revision, "b" * 40)

    def test_experts_are_spread_over_all_replicas_of_a_layer(self):
        self.assertEqual(self.of().expert_parallel, 1)
        self.assertEqual(self.of(enable_expert_parallel=True).expert_parallel, 8)

    def test_workers_of_data_parallel_replicas_have_numbers_of_their_own(self):
        self.assertEqual(identity.number(configuration()), 7)
        self.assertEqual(identity.number(configuration(data_parallel_rank=0)), 3)


class LoaderTests(unittest.TestCase):
    """With vLLM itself."""

    @classmethod
    def setUpClass(cls):
        from vllm.config.load import LoadConfig

        from modelexpress_mesh import guards, loader, plugin

        plugin.register()
        plugin.register()
        cls.loader, cls.guards, cls.load_config = loader, guards, LoadConfig(load_format="modelexpress-mesh")

    def test_the_load_format_is_vllms_by_now(self):
        from vllm.model_executor.model_loader import get_model_loader

        self.assertIsInstance(get_model_loader(self.load_config), self.loader.MeshModelLoader)

    def test_a_draft_model_is_left_alone(self):
        calls = []
        made = self.loader.MeshModelLoader(self.load_config)
        made._vllm_config = configuration()
        made._disk_loader = lambda: types.SimpleNamespace(load_weights=lambda model, config: calls.append(config))
        draft = configuration().model_config
        made.load_weights(nn.Linear(1, 1), draft)
        self.assertEqual(calls, [draft])
        self.assertIsNone(self.loader.session())

    def test_methods_that_change_weights_are_guarded_once(self):
        from vllm.v1.worker.gpu_worker import Worker

        for name in ("sleep", "reload_weights", "update_weights", "reset_weights"):
            self.assertTrue(hasattr(getattr(Worker, name), "_modelexpress_mesh"), name)
        self.assertEqual(self.guards.install(), [])

    def test_the_worker_extension_is_refused_on_a_cpu_with_its_reason(self):
        from modelexpress_mesh.extension import WeightServer

        class Worker(WeightServer):
            model_runner = types.SimpleNamespace(get_model=lambda: nn.Linear(2, 2))

        with self.assertRaisesRegex(tensors.Unsuitable, "load-format modelexpress-mesh"):
            Worker().start_weight_server()


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=1).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed", flush=True)
    os._exit(1 if failed else 0)
