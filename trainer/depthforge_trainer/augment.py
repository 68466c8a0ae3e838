# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Random views of a sample: scale, crop, flip, photometric distortion, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
from depthforge_ros.datasets.base import Labels
from depthforge_ros.errors import UserError
from depthforge_ros.labels import UNLABELLED
from depthforge_trainer.data import InverseDepth, Rgb, Sample
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Augment:
    """What a view may look like."""

    height: int = 336
    """Of the view in pixels, a multiple of the patch."""
    width: int = 448
    """Likewise."""
    short_side: int = 364
    """Short side of the whole image at scale 1, in pixels."""
    scale: tuple[float, float] = (0.75, 1.6)
    """Smallest and largest, of the whole image before it is cropped."""
    max_class_share: float = 0.75
    """A crop of which one class takes more is drawn again."""
    brightness: float = 0.25
    """Largest change, as a share of the full range; contrast and saturation change likewise."""
    blur: float = 0.0
    """Largest standard deviation of a Gaussian blur, in pixels; half of the views have one."""
    noise: float = 0.0
    """Largest standard deviation of white noise, as a share of the full range; likewise."""

    def __post_init__(self) -> None:
        if self.scale[0] > self.scale[1]:
            raise UserError(f'scale is {self.scale}; give the smaller number first')


class Window(NamedTuple):
    """Edges as shares of a sample's sides; above 1 beyond it, left above right if mirrored."""

    left: float
    top: float
    right: float
    bottom: float


class View(NamedTuple):
    """A random view of a sample."""

    rgb: Rgb
    """uint8 (h, w, 3)."""
    labels: Labels
    """uint8 (h, w)."""
    inverse_depth: InverseDepth
    """float32 (h, w), relative; zero where it is not known."""
    window: Window
    """Where the view lies in the sample."""


def view(sample: Sample, augment: Augment, rng: np.random.Generator) -> View:
    """Draw one view."""
    low, high = augment.scale
    scale = np.exp(rng.uniform(np.log(low), np.log(high)))
    scale *= augment.short_side / min(sample.labels.shape)
    size = (round(sample.labels.shape[1] * scale), round(sample.labels.shape[0] * scale))
    rgb = cv2.resize(
        sample.rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    labels = np.asarray(cv2.resize(sample.labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    depth = np.zeros(labels.shape, np.float32)
    if sample.inverse_depth is not None:
        depth = np.asarray(cv2.resize(sample.inverse_depth, size), np.float32)
    whole = View(np.asarray(rgb, np.uint8), labels, depth, Window(0.0, 0.0, 1.0, 1.0))
    drawn = _crop(whole, augment, rng)
    step = -1 if rng.random() < 0.5 else 1
    left, top, right, bottom = drawn.window
    return View(
        distort(np.ascontiguousarray(drawn.rgb[:, ::step]), augment, rng),
        np.ascontiguousarray(drawn.labels[:, ::step]),
        np.ascontiguousarray(drawn.inverse_depth[:, ::step]),
        Window(left, top, right, bottom) if step > 0 else Window(right, top, left, bottom),
    )


def _crop(whole: View, augment: Augment, rng: np.random.Generator) -> View:
    height, width = augment.height, augment.width
    labels = whole.labels
    for _ in range(10):
        top = int(rng.integers(0, max(1, labels.shape[0] - height + 1)))
        left = int(rng.integers(0, max(1, labels.shape[1] - width + 1)))
        part = labels[top : top + height, left : left + width]
        counts = np.bincount(part[part != UNLABELLED], minlength=1)
        if counts.sum() == 0 or counts.max() <= augment.max_class_share * counts.sum():
            break
    rgb = whole.rgb[top : top + height, left : left + width]
    depth = whole.inverse_depth[top : top + height, left : left + width]
    below, right = height - part.shape[0], width - part.shape[1]
    if below or right:
        rgb = np.asarray(
            cv2.copyMakeBorder(rgb, 0, below, 0, right, cv2.BORDER_REFLECT_101), np.uint8
        )
        part = np.pad(part, ((0, below), (0, right)), constant_values=UNLABELLED)
        depth = np.pad(depth, ((0, below), (0, right)))
    rows, columns = labels.shape
    window = Window(left / columns, top / rows, (left + width) / columns, (top + height) / rows)
    return View(rgb, part, depth, window)


def distort(rgb: Rgb, augment: Augment, rng: np.random.Generator) -> Rgb:
    """Change light and colours, blur and add noise, each half of the time."""
    unit: npt.NDArray[np.float32] = rgb.astype(np.float32) / 255.0
    if augment.brightness:
        unit = _lit(unit, augment.brightness, rng)
    if augment.blur and rng.random() < 0.5:
        unit = np.asarray(cv2.GaussianBlur(unit, (0, 0), max(0.1, rng.uniform(0.0, augment.blur))))
    if augment.noise and rng.random() < 0.5:
        sigma = np.float32(rng.uniform(0.0, augment.noise))
        unit = unit + sigma * rng.standard_normal(unit.shape, np.float32)
    return (np.clip(unit, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _lit(
    unit: npt.NDArray[np.float32], strength: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Change brightness, contrast, gamma, saturation and hue, each half of the time."""
    if rng.random() < 0.5:
        unit = unit + np.float32(rng.uniform(-strength, strength) * 0.5)
    if rng.random() < 0.5:
        unit = unit * np.float32(rng.uniform(1.0 - 2 * strength, 1.0 + 2 * strength))
    if rng.random() < 0.5:
        unit = np.clip(unit, 0.0, 1.0) ** np.float32(
            np.exp(rng.uniform(-2 * strength, 2 * strength))
        )
    if rng.random() < 0.5:
        grey = unit.mean(-1, keepdims=True)
        unit = grey + (unit - grey) * np.float32(
            rng.uniform(1.0 - 2 * strength, 1.0 + 2 * strength)
        )
    if rng.random() < 0.5:
        unit = unit * rng.uniform(1.0 - strength, 1.0 + strength, 3).astype(np.float32)
    return unit
