"""What an operator can set in the engine's environment. The table in deploy/vllm/README.md is checked against this file."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

# ipc paths are Unix socket paths: 107 bytes, and a NUL.
LONGEST_PATH = 107

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("", "0", "false", "no", "off")


class SettingsError(ValueError):
    """A variable has a value that can't be used; the text says which, and what to write."""


@dataclasses.dataclass(frozen=True)
class Variable:
    name: str
    default: str
    meaning: str


VARIABLES = (
    Variable("MX_ZMQ_ADDRESS", "ipc:///tmp/mx/vllm.sock", "where worker and sidecar meet; the worker's number is put in before the extension"),
    Variable("MX_MODEL_NAME", "", "the model's name in the mesh; empty: the first served name"),
    Variable("MX_MODEL_REVISION", "", "which weights these are; empty: the commit of the hub's snapshot"),
    Variable("MX_ALLOW_UNPINNED", "0", "1: share weights of which no revision is known; whoever names the model alike gets them"),
    Variable("MX_SIDECAR_WAIT", "30", "seconds to wait for a sidecar, then the weights come from disk"),
    Variable("MX_TRANSFER_STALL", "30", "seconds without a word from the sidecar, then the weights come from disk"),
    Variable("MX_DIGEST_WAIT", "120", "seconds that the sidecar may take to digest weights that were loaded from disk"),
    Variable("MX_DRAIN_WAIT", "2", "seconds that readers have to leave before vLLM processes the weights"),
    Variable("MX_ARENA", "auto", "shared: tensors live in the memory that others read; staged: a copy of them does; auto: shared on a CPU"),
    Variable("MX_DISK_FORMAT", "auto", "vLLM's load format for weights from disk"),
)


@dataclasses.dataclass(frozen=True)
class Settings:
    address: str
    model_name: str
    revision: str
    allow_unpinned: bool
    sidecar_wait: float
    stall: float
    digest_wait: float
    drain_wait: float
    arena: str
    disk_format: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        defaults = {variable.name: variable.default for variable in VARIABLES}

        def text(name: str) -> str:
            return environment.get(name, "").strip() or defaults[name]

        def seconds(name: str) -> float:
            word = text(name)
            try:
                value = float(word.removesuffix("s"))
            except ValueError:
                value = -1
            if not 0 <= value < 1e6:
                raise SettingsError(f"{name}={word} is no number of seconds: write for example {defaults[name]}")
            return value

        def flag(name: str) -> bool:
            word = text(name).lower()
            if word not in _TRUE + _FALSE:
                raise SettingsError(f"{name}={word} is neither 1 nor 0")
            return word in _TRUE

        address = text("MX_ZMQ_ADDRESS")
        if not address.startswith("ipc:///"):
            raise SettingsError(f"MX_ZMQ_ADDRESS={address} is no ipc:///PATH: memory can be handed over on one machine only")
        arena = text("MX_ARENA")
        if arena not in ("auto", "shared", "staged"):
            raise SettingsError(f"MX_ARENA={arena} is none of auto, shared and staged")
        return cls(
            address=address,
            model_name=text("MX_MODEL_NAME"),
            revision=text("MX_MODEL_REVISION"),
            allow_unpinned=flag("MX_ALLOW_UNPINNED"),
            sidecar_wait=seconds("MX_SIDECAR_WAIT"),
            stall=seconds("MX_TRANSFER_STALL"),
            digest_wait=seconds("MX_DIGEST_WAIT"),
            drain_wait=seconds("MX_DRAIN_WAIT"),
            arena=arena,
            disk_format=text("MX_DISK_FORMAT"),
        )

    def socket_path(self, number: int) -> str:
        """The worker's own socket: ipc:///tmp/mx/vllm.sock gives /tmp/mx/vllm-0.sock."""
        path = self.address.removeprefix("ipc://")
        stem, extension = os.path.splitext(path)
        own = f"{stem}-{number}{extension}"
        if len(self.descriptor_path(own).encode()) > LONGEST_PATH:
            raise SettingsError(f"MX_ZMQ_ADDRESS={self.address} is too long: a socket's path has at most {LONGEST_PATH} bytes")
        return own

    @staticmethod
    def descriptor_path(socket_path: str) -> str:
        """The Unix socket beside it that passes descriptors: /tmp/mx/vllm-0.fd.sock."""
        stem, extension = os.path.splitext(socket_path)
        return f"{stem}.fd{extension}"
