# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The reference engine: the network as it is, on any device, in full precision."""

from __future__ import annotations

import dataclasses

from depthforge_ros.engine.base import NetworkOutput
from depthforge_ros.errors import UserError
from depthforge_ros.labels import LabelSpace
from depthforge_ros.model.answer import Answering
from depthforge_ros.model.checkpoint import digest
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.registry import load_model
from depthforge_ros.preprocess import Preprocess
import numpy as np
import numpy.typing as npt
import torch


class EagerEngine:
    """Runs a network with PyTorch."""

    def __init__(
        self, network: DepthForge, *, model: str, label_space: LabelSpace, fingerprint: str
    ) -> None:
        self.name = 'eager'
        self.model = model
        self.label_space = label_space
        self.fingerprint = fingerprint
        self.network = network.eval()
        self._answering = Answering(self.network)
        config = network.config
        self.is_metric = config.dpt.max_depth_m > 0.0
        self.preprocess = Preprocess(patch=config.encoder.patch, short_side=config.short_side)

    @classmethod
    def load(
        cls, model: str, *, device: str, short_side: int | None, threads: int | None
    ) -> EagerEngine:
        """Load by name or checkpoint path; `device` is auto, cpu, or a CUDA device."""
        if threads:
            torch.set_num_threads(threads)
        network, checkpoint = load_model(model)
        fingerprint = _fingerprint(network)
        engine = cls(
            network.fold().to(_device(device)),
            model=model,
            label_space=checkpoint.label_space,
            fingerprint=fingerprint,
        )
        if short_side:
            engine.preprocess = dataclasses.replace(engine.preprocess, short_side=short_side)
        return engine

    @torch.inference_mode()
    def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        """Run uint8 (B, h, w, 3) RGB whose sides are multiples of the patch."""
        batch = torch.from_numpy(np.ascontiguousarray(images)).to(self.network.mean.device)
        answer = self._answering(batch)
        return NetworkOutput(*(plane.cpu().numpy() for plane in answer))


def _device(name: str) -> torch.device:
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    if name.startswith('cuda') and not torch.cuda.is_available():
        raise UserError(f'device {name!r} was asked for, but this machine has no GPU; use cpu')
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise UserError(f'device {name!r} is not known; use auto, cpu, cuda or cuda:N') from error


def _fingerprint(network: DepthForge) -> str:
    return digest({name: value.cpu() for name, value in network.state_dict().items()})[:16]
