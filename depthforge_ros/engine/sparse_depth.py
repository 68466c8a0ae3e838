# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The depth stream for every n-th frame only; the frames between use its last features."""

from __future__ import annotations

from dataclasses import replace
import time

from depthforge_ros.engine.base import Engine, NetworkOutput
from depthforge_ros.engine.torch_engine import to_output, TorchEngine
from depthforge_ros.errors import UserError
from depthforge_ros.model.answer import Answer, Answering
from depthforge_ros.model.streams import KnownDepth
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

MAX_GAP_S = 1.0
"""Time without a frame after which the depth is taken for that of another place."""


class SparseDepthEngine:
    """
    Answers the frames of one camera in their order.

    Another size, a gap, an answer that is not finite and `restart` begin anew.
    """

    def __init__(self, engine: Engine, every: int) -> None:
        """Take over an engine that runs the network operator by operator: eager, bf16, int8."""
        if not isinstance(engine, TorchEngine) or not isinstance(engine.run, Answering):
            raise UserError(
                f'depth_every is {every}, but engine {engine.name} computes depth with every '
                'frame; take engine eager, bf16 or int8, or depth_every 1'
            )
        self.name = engine.name
        self.reason = f'{engine.reason}; depth for one of {every} frames'
        self.refused = engine.refused
        self.model = engine.model
        self.label_space = engine.label_space
        self.preprocess = engine.preprocess
        self.is_metric = engine.is_metric
        self.fingerprint = engine.fingerprint
        self._answering = engine.run
        self._device = engine.device
        self._every = every
        self.restart()

    def restart(self) -> None:
        """Forget the frames so far."""
        self._age = 0
        self._answered_s = time.monotonic()
        self._shape = torch.Size()
        self._depth: KnownDepth | None = None

    @torch.inference_mode()
    def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        """Run uint8 (B, h, w, 3) RGB; `depth_age` says how many frames old the depth is."""
        batch = torch.from_numpy(np.ascontiguousarray(images)).to(self._device)
        self._age += 1
        if self._is_gap or self._age >= self._every or batch.shape != self._shape:
            self._see_depth(batch)
        output = replace(to_output(self._answer(batch), self.label_space), depth_age=self._age)
        self._answered_s = time.monotonic()
        planes = output.confidence, output.entropy, output.inverse_depth
        if not all(np.isfinite(plane).all() for plane in planes):
            self.restart()
        return output

    def skip_frame(self) -> bool:
        """Count a frame that needs no answer if it would get no new depth; tell whether it did."""
        has_depth = self._age + 1 >= self._every or not self._shape or self._is_gap
        if not has_depth:
            self._age += 1
            self._answered_s = time.monotonic()
        return not has_depth

    @property
    def _is_gap(self) -> bool:
        return time.monotonic() - self._answered_s > MAX_GAP_S

    def _see_depth(self, batch: Tensor) -> None:
        network = self._answering.network
        self._depth = KnownDepth.of(network.depth_steps(network.normalize(batch)))
        self._shape, self._age = batch.shape, 0

    def _answer(self, batch: Tensor) -> Answer:
        network = self._answering.network
        if self._age or self._depth is None:
            decoded = network.decode(batch, self._depth)
        else:
            decoded = network.decode_seen(network.normalize(batch), self._depth)
        return self._answering.answer(decoded, (batch.shape[1], batch.shape[2]))
