# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Network output + Geometry -> labels, confidence, entropy and depth of the camera's image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
from depthforge_ros.engine.base import NetworkOutput
from depthforge_ros.errors import UserError
from depthforge_ros.labels import colorize, LabelSpace, unlabelled
from depthforge_ros.preprocess import Geometry
import numpy as np
import numpy.typing as npt

Memory = Callable[[str, tuple[int, int], npt.DTypeLike], npt.NDArray[Any]]
"""Gives the plane of a name memory (H, W), which it may give to that plane of the next frame."""


@dataclass(frozen=True)
class Result:
    """
    One frame's answer; a plane is made when it is first read.

    Planes are (H, W): the camera's own size, or with `at_network` the size at which the network
    saw the image.
    """

    output: NetworkOutput
    geometry: Geometry
    index: int
    """Which frame of the batch it is."""
    confidence_floor: float
    """Pixels whose confidence is below it are unlabelled."""
    at_network: bool
    memory: Memory | None = None
    """For planes of the camera's size."""

    @property
    def size(self) -> tuple[int, int]:
        """Return the height and width of the planes."""
        geometry = self.geometry
        if self.at_network:
            return geometry.content_height, geometry.content_width
        return geometry.camera_height, geometry.camera_width

    @property
    def depth_age(self) -> int:
        """Return how many frames ago the depth was computed."""
        return self.output.depth_age

    @cached_property
    def labels(self) -> npt.NDArray[np.unsignedinteger[Any]]:
        """(H, W), train id, uint8 or uint16; the type's highest is unlabelled."""
        labels = self.output.labels[self.index]
        if self.confidence_floor > 0.0:
            is_doubtful = self.output.confidence[self.index] < self.confidence_floor
            labels = np.where(is_doubtful, labels.dtype.type(unlabelled(labels.dtype)), labels)
        return self._resize('labels', labels, cv2.INTER_NEAREST)

    @cached_property
    def confidence(self) -> npt.NDArray[np.float32]:
        """(H, W), share of the winning class in [0, 1]."""
        return self._smooth('confidence')

    @cached_property
    def entropy(self) -> npt.NDArray[np.float32]:
        """(H, W), nats / ln(classes), [0, 1]."""
        return self._smooth('entropy')

    @cached_property
    def inverse_depth(self) -> npt.NDArray[np.float32]:
        """(H, W), relative inverse depth: larger is nearer, no unit."""
        return self._smooth('inverse_depth')

    def without_floor(self) -> Result:
        """Return this frame with the labels of doubtful pixels too."""
        if not self.confidence_floor:
            return self
        return replace(self, confidence_floor=0.0, memory=None)

    def complete(self) -> Result:
        """Make all planes; returns itself."""
        _ = self.labels, self.confidence, self.entropy, self.inverse_depth
        return self

    def _smooth(self, name: str) -> npt.NDArray[np.float32]:
        return self._resize(name, getattr(self.output, name)[self.index], cv2.INTER_LINEAR)

    def _resize(self, name: str, plane: npt.NDArray[Any], interpolation: int) -> npt.NDArray[Any]:
        content = plane[: self.geometry.content_height, : self.geometry.content_width]
        if content.shape == self.size:
            return np.ascontiguousarray(content)
        resized = (self.memory or _new)(name, self.size, plane.dtype)
        if interpolation == cv2.INTER_NEAREST:
            # Whole rows are copied several times as fast as cv2 picks their pixels anew.
            content, rows = _to_width(content, self.size)
            return np.take(content, rows, axis=0, out=resized, mode='clip')
        cv2.resize(content, self.size[::-1], dst=resized, interpolation=interpolation)
        return resized


def _to_width(
    plane: npt.NDArray[Any], size: tuple[int, int]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint16]]:
    """Resize (h, w) to the width of `size` by nearest pixels; say which row each of H rows is."""
    height, width = size
    wide = cv2.resize(plane, (width, len(plane)), interpolation=cv2.INTER_NEAREST)
    rows = np.arange(len(plane), dtype=np.uint16)[:, None]
    rows = np.asarray(cv2.resize(rows, (1, height), interpolation=cv2.INTER_NEAREST), np.uint16)
    return np.asarray(wide), rows.ravel()


def _new(name: str, size: tuple[int, int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    del name
    return np.empty(size, dtype)


def to_camera(
    output: NetworkOutput,
    geometry: Geometry,
    index: int = 0,
    *,
    confidence_floor: float = 0.0,
    at_network: bool = False,
    memory: Memory | None = None,
) -> Result:
    """
    Take frame `index` of a batch back to the camera's image.

    Numbers that are not finite raise UserError with the reason `not_finite`.
    """
    for name in ('confidence', 'entropy', 'inverse_depth'):
        if not np.isfinite(getattr(output, name)[index]).all():
            raise UserError(
                f'the engine answered with {name} that is not finite; check the model and its '
                'precision',
                reason='not_finite',
            )
    return Result(output, geometry, index, confidence_floor, at_network, memory)


def overlay(
    rgb: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.unsignedinteger[Any]],
    space: LabelSpace,
    alpha: float = 0.5,
) -> npt.NDArray[np.uint8]:
    """Blend class colours over RGB uint8 (H, W, 3); alpha 0 shows the image, 1 the colours."""
    blended = cv2.addWeighted(rgb, 1.0 - alpha, colorize(labels, space), alpha, 0.0)
    return np.asarray(blended, np.uint8)


def colorize_depth(inverse_depth: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Paint relative inverse depth (H, W), near bright, as RGB uint8 (H, W, 3)."""
    low, high = np.percentile(inverse_depth, (1.0, 99.0))
    unit = np.clip((inverse_depth - low) / max(float(high - low), 1e-9), 0.0, 1.0)
    colored = cv2.applyColorMap((unit * 255.0).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.asarray(colored[..., ::-1], np.uint8)
