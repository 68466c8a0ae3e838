# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""An engine without a network: fixed results at no cost, to measure everything around a model."""

from __future__ import annotations

from depthforge_ros.engine.base import NetworkOutput
from depthforge_ros.labels import CAMVID, LabelSpace
from depthforge_ros.model.registry import find_checkpoint, MODELS
from depthforge_ros.preprocess import Preprocess
import numpy as np
import numpy.typing as npt

NULL_SHORT_SIDE = 256


class NullEngine:
    """Answers every frame with the same ramps; the model's name is only kept for the reports."""

    def __init__(self, model: str, preprocess: Preprocess) -> None:
        self.name = 'null'
        self.reason = 'asked for'
        self.refused = ''
        self.model = model
        self.label_space: LabelSpace = CAMVID
        self.preprocess = preprocess
        self.fingerprint = 'null'
        self.is_metric = False

    @classmethod
    def load(
        cls, model: str, *, device: str, short_side: int | None, threads: int | None
    ) -> NullEngine:
        """Take the arguments of every engine; device and threads have nothing to act on."""
        del device, threads
        if model not in MODELS:
            find_checkpoint(model)
        return cls(model, Preprocess(patch=16, short_side=short_side or NULL_SHORT_SIDE))

    def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        """Label by column, confidence and depth by row."""
        shape = images.shape[:3]
        columns = np.arange(shape[2]) * len(self.label_space) // shape[2]
        rows = np.linspace(0.0, 1.0, shape[1], dtype=np.float32)[:, None]
        return NetworkOutput(
            labels=np.broadcast_to(columns.astype(self.label_space.dtype), shape),
            confidence=np.broadcast_to(rows, shape),
            entropy=np.broadcast_to(1.0 - rows, shape),
            inverse_depth=np.broadcast_to(rows * 10.0, shape),
        )
