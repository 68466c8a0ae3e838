# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The interface of engines: a batch of frames in, per-pixel results out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from depthforge_ros.labels import LabelSpace
from depthforge_ros.preprocess import Preprocess
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class NetworkOutput:
    """Per-pixel results at the network's input resolution, batch first."""

    labels: npt.NDArray[np.unsignedinteger[Any]]
    """(B, h, w), train id; of the label space's type, uint8 or, above 255 classes, uint16."""
    confidence: npt.NDArray[np.float32]
    """(B, h, w), share of the winning class in [0, 1]."""
    entropy: npt.NDArray[np.float32]
    """(B, h, w), entropy of the class distribution in nats / ln(classes), [0, 1]."""
    inverse_depth: npt.NDArray[np.float32]
    """(B, h, w), relative inverse depth: larger is nearer, no unit, >= 0."""
    features: npt.NDArray[np.float32] | None = None
    """(B, F), what `domain` compares with the training images; None without a network."""
    depth_age: int = 0
    """How many frames ago `inverse_depth` was computed; it is of that frame, not of this one."""


def joined(parts: Sequence[NetworkOutput]) -> NetworkOutput:
    """Join the answers to parts of a batch."""
    features = [part.features for part in parts if part.features is not None]
    return NetworkOutput(
        labels=np.concatenate([part.labels for part in parts]),
        confidence=np.concatenate([part.confidence for part in parts]),
        entropy=np.concatenate([part.entropy for part in parts]),
        inverse_depth=np.concatenate([part.inverse_depth for part in parts]),
        features=np.concatenate(features) if features else None,
        depth_age=max(part.depth_age for part in parts),
    )


class Engine(Protocol):
    """A loaded model that is ready to run."""

    name: str
    """In the engine mapping, e.g. `eager`."""
    reason: str
    """Why this engine and no other runs, half a sentence."""
    refused: str
    """Why a stored engine was not taken that `auto` would have; empty where none was."""
    model: str
    """Name of the model that it runs."""
    label_space: LabelSpace
    """Classes of `NetworkOutput.labels`."""
    preprocess: Preprocess
    """Has the input size that the engine was made for."""
    is_metric: bool
    """Whether its inverse depth is in 1/m, and not only relative."""
    fingerprint: str
    """Short hash of the weights."""

    def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        """Run a batch of network inputs, uint8 (B, h, w, 3) RGB."""
