# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The base of all engines that run a network with PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from depthforge_ros.engine.base import Engine, NetworkOutput
from depthforge_ros.errors import UserError
from depthforge_ros.labels import COARSER, groups, LabelSpace
from depthforge_ros.model.answer import Answering
from depthforge_ros.model.checkpoint import digest
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.registry import load_model, MODELS, NO_WEIGHTS, plan
from depthforge_ros.preprocess import Preprocess
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

RANDOM = 'random'
"""Fingerprint of weights that are of no training."""
Run = Callable[[Tensor], Sequence[Tensor]]
"""From uint8 (B, h, w, 3) RGB on the device to the fields of `Answer`."""


@dataclass(frozen=True)
class Loaded:
    """A network in its inference form, and its description."""

    answering: Answering
    model: str
    label_space: LabelSpace
    fingerprint: str
    """Of the weights, as `NetworkOutput` depends on them."""
    preprocess: Preprocess
    is_metric: bool
    device: torch.device

    @classmethod
    def of(
        cls, network: DepthForge, *, model: str, label_space: LabelSpace, fingerprint: str
    ) -> Loaded:
        """Take a network as it is, on the device where it is."""
        config = network.config
        return cls(
            answering=Answering(network.eval()),
            model=model,
            label_space=label_space,
            fingerprint=fingerprint,
            preprocess=Preprocess(patch=config.encoder.patch, short_side=config.short_side),
            is_metric=config.dpt.max_depth_m > 0.0,
            device=network.mean.device,
        )

    def sized(self, short_side: int | None) -> Loaded:
        """Take another short side of the input, pixels; None keeps the checkpoint's own."""
        if short_side is None:
            return self
        return replace(self, preprocess=replace(self.preprocess, short_side=short_side))


def load(model: str, *, device: str, threads: int | None = None) -> Loaded:
    """Load by name or checkpoint path onto `device`: auto, cpu, cuda or cuda:N."""
    if threads:
        torch.set_num_threads(threads)
    place = device_of(device)
    network, checkpoint = load_model(model)
    fingerprint = digest({name: value.cpu() for name, value in network.state_dict().items()})[:16]
    return Loaded.of(
        network.fold().to(place),
        model=model,
        label_space=checkpoint.label_space,
        fingerprint=fingerprint,
    )


def load_or_outline(model: str) -> Loaded:
    """Load onto the CPU; a named model whose weights are not here gets random ones."""
    try:
        return load(model, device='cpu')
    except UserError as error:
        if model not in MODELS or error.reason != NO_WEIGHTS:
            raise
    config, label_space = plan(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = DepthForge(config, len(label_space))
    return Loaded.of(network.fold(), model=model, label_space=label_space, fingerprint=RANDOM)


class TorchEngine:
    """Runs frames through `run` on the network's device."""

    def __init__(self, name: str, loaded: Loaded, run: Run, *, reason: str = 'asked for') -> None:
        self.name = name
        self.reason = reason
        self.refused = ''
        self.model = loaded.model
        self.label_space = loaded.label_space
        self.fingerprint = loaded.fingerprint
        self.preprocess = loaded.preprocess
        self.is_metric = loaded.is_metric
        self.device = loaded.device
        self.run = run

    @torch.inference_mode()
    def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        """Run uint8 (B, h, w, 3) RGB whose sides are multiples of the patch."""
        batch = torch.from_numpy(np.ascontiguousarray(images))
        # Programs run on the GPU that is current in their thread.
        with on(self.device):
            if self.device.type == 'cuda':
                # From pinned memory the device fetches the frames while Python goes on.
                batch = batch.pin_memory().to(self.device, non_blocking=True)
            return to_output(self.run(batch), self.label_space)


def answer_in(engine: Engine, space: LabelSpace) -> Engine:
    """
    Let an engine answer in coarser classes, whose scores are the sums of their members'.

    An engine that does not run operator by operator stays as it is: its labels can be mapped.
    """
    is_coarser = (engine.label_space.name, space.name) in COARSER
    if not is_coarser or not isinstance(engine, TorchEngine):
        return engine
    if isinstance(engine.run, Answering):
        engine.run = Answering(engine.run.network, groups(engine.label_space, space))
        engine.label_space = space
    return engine


def on(device: torch.device) -> AbstractContextManager[None]:
    """Make a GPU the current one, which compilers and their programs use."""
    return torch.cuda.device(device) if device.type == 'cuda' else nullcontext()


def label_type(space: LabelSpace) -> torch.dtype:
    """Return the type in which train ids leave the device."""
    return torch.uint8 if space.dtype == np.uint8 else torch.uint16


def to_output(answer: Sequence[Tensor], space: LabelSpace) -> NetworkOutput:
    """Bring the fields of `Answer` to the CPU; labels travel in as few bytes as they need."""
    labels, *others = answer
    # Not blocking: into pinned memory, at the bus's full rate, with one wait for all.
    fields = [one.to('cpu', non_blocking=True) for one in (labels.to(label_type(space)), *others)]
    if labels.device.type == 'cuda':
        torch.cuda.current_stream(labels.device).synchronize()
    on_host, *rest = (one.numpy() for one in fields)
    confidence, entropy, inverse_depth, features = rest
    return NetworkOutput(on_host, confidence, entropy, inverse_depth, features)


def device_of(name: str) -> torch.device:
    """Resolve auto, cpu, cuda or cuda:N on this machine."""
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f'device {name!r} is not known; use auto, cpu, cuda or cuda:N') from error
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f'device {name!r} was asked for, but this machine has '
            f'{torch.cuda.device_count() or "no"} GPU; use cpu'
        )
    return device
