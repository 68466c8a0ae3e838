# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What a student of distillation sees, and what its teacher says about it, kept on disk.

Shapes: B batch, V views, N patches, C teacher width.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from depthforge_ros.model.checkpoint import FOUNDATION_PATCH
from depthforge_ros.model.network import DepthForge
from depthforge_trainer.augment import Augment, distort, view
from depthforge_trainer.data import Loader
from depthforge_trainer.features import create_array
from depthforge_trainer.teacher import load_teacher
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm


class Targets(NamedTuple):
    """What the teacher says about views, memory-mapped."""

    rgb: npt.NDArray[np.uint8]
    taps: npt.NDArray[np.float16]
    """(V, 4, N, C)."""
    inverse_depth: npt.NDArray[np.float16]
    """(V, H, W)."""


class View(NamedTuple):
    """A batch for the student: what it sees, and what the teacher says about it."""

    image_BHW3: Tensor
    """uint8, of a size that gives the student's visual stream the teacher's patch grid."""
    taps_B4NC: Tensor
    """On the grid of the student's depth stream."""
    inverse_depth_BHW: Tensor
    """At the size that the teacher saw."""


def draw(
    targets: Targets,
    indices: npt.NDArray[np.int64],
    network: DepthForge,
    rng: np.random.Generator,
    distortion: float,
) -> View:
    """Read views for a student, distorted and, half of the time, flipped."""
    rgb = np.stack([distort(targets.rgb[index], distortion, rng) for index in indices])
    image = torch.from_numpy(rgb).permute(0, 3, 1, 2)
    height, width = rgb.shape[1] // FOUNDATION_PATCH, rgb.shape[2] // FOUNDATION_PATCH
    taps = torch.from_numpy(targets.taps[indices]).float()
    taps_B4ChW = taps.transpose(2, 3).unflatten(3, (height, width))
    depth = torch.from_numpy(targets.inverse_depth[indices]).float()
    if rng.random() < 0.5:
        image, taps_B4ChW, depth = image.flip(3), taps_B4ChW.flip(4), depth.flip(2)
    patch = network.visual.config.patch
    if patch != FOUNDATION_PATCH:
        image = functional.interpolate(
            image, size=(patch * height, patch * width), mode='bilinear', align_corners=False
        )
    pooled = functional.adaptive_avg_pool2d(taps_B4ChW.flatten(0, 1), network.depth_grid(image))
    taps = pooled.unflatten(0, (-1, 4)).flatten(3).transpose(2, 3)
    return View(image.permute(0, 2, 3, 1).contiguous(), taps, depth)


def ask_teacher(
    folder: Path,
    teacher: str,
    samples: Sequence[Loader],
    augment: Augment,
    *,
    views: int,
    rng: np.random.Generator,
) -> Targets:
    """Draw `views` views per sample and let the teacher (a weights file) answer; or read them."""
    done = folder / 'complete'
    if not done.is_file():
        _ask(folder, load_teacher(teacher), samples, augment, views, rng)
        done.touch()
    return Targets(*(np.load(folder / f'{name}.npy', mmap_mode='r') for name in Targets._fields))


def _ask(
    folder: Path,
    teacher: DepthForge,
    samples: Sequence[Loader],
    augment: Augment,
    views: int,
    rng: np.random.Generator,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    height, width = augment.height, augment.width
    encoder = teacher.config.encoder
    patches = (height // encoder.patch) * (width // encoder.patch)
    count = len(samples) * views
    rgb = create_array(folder / 'rgb.npy', np.uint8, (count, height, width, 3))
    taps = create_array(folder / 'taps.npy', np.float16, (count, 4, patches, encoder.width))
    depth = create_array(folder / 'inverse_depth.npy', np.float16, (count, height, width))
    for index in tqdm(range(count), desc='teacher', unit='view', mininterval=5.0):
        rgb[index], _ = view(samples[index % len(samples)](), augment, rng)
        with torch.inference_mode():
            image = teacher.normalize(torch.from_numpy(rgb[index : index + 1].copy()))
            blocks = teacher.depth_blocks(image)
            taps[index] = torch.cat([blocks[tap] for tap in teacher.config.taps]).half().numpy()
            maps = teacher.depth_maps(blocks, image)
            depth[index] = teacher.estimate_depth(maps, (height, width))[0].half().numpy()
    for array in (rgb, taps, depth):
        array.flush()
