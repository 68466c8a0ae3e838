# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Batches of views with the frozen depth features, drawn anew or read from a cache on disk.

Shapes: V views, L blocks, N patches, C encoder width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from depthforge_ros.labels import UNLABELLED
from depthforge_ros.model.network import DepthForge
from depthforge_trainer.augment import Augment, view
from depthforge_trainer.data import Labels, Loader, Rgb
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

RARE_PIXELS = 100
"""A view shows a class of which it has so many pixels."""
RARE_TEMPERATURE = 0.1


class Batch(NamedTuple):
    """Views with what the frozen depth stream says about them."""

    image_BHW3: Tensor
    labels_BHW: Tensor
    depth_blocks: list[Tensor]
    """(B, N, C) after every block."""


Batches = Callable[[int], Batch]
"""Iteration, from 1, to its batch; the same one whenever it is asked for."""


def drawn(
    network: DepthForge, samples: Sequence[Loader], augment: Augment, *, size: int, seed: int
) -> Batches:
    """Draw new views every time; samples are gone through in shuffled rounds."""

    def draw(step: int) -> Batch:
        rng = np.random.default_rng((seed, step))
        chosen = in_rounds(len(samples), size, step, seed)
        views = [view(samples[index](), augment, rng) for index in chosen]
        rgb, labels = (np.stack(parts) for parts in zip(*views, strict=True))
        image = torch.from_numpy(rgb)
        with torch.no_grad():
            blocks = network.depth_blocks(network.normalize(image))
        return Batch(image, torch.from_numpy(labels), blocks)

    return draw


class Cache:
    """Views and their depth features in memory-mapped files."""

    def __init__(self, folder: Path) -> None:
        self.rgb: npt.NDArray[np.uint8] = np.load(folder / 'rgb.npy', mmap_mode='r')
        self.labels: npt.NDArray[np.uint8] = np.load(folder / 'labels.npy', mmap_mode='r')
        self.blocks: npt.NDArray[np.float16] = np.load(folder / 'blocks.npy', mmap_mode='r')

    def batches(
        self, blocks: Sequence[int], *, size: int, seed: int, rare_classes: bool
    ) -> Batches:
        """
        Read random views; only the named blocks are read, the others are left out.

        With `rare_classes` half of each batch is drawn by rare class sampling.
        """
        chances = rare_class_chances(self.labels) if rare_classes else None

        def read(step: int) -> Batch:
            chosen = in_rounds(len(self.rgb), size, step, seed)
            if chances is not None:
                rng = np.random.default_rng((seed, step))
                rare = rng.choice(len(chances), size // 2, p=chances)
                chosen = np.concatenate((chosen[: size - size // 2], rare))
            return Batch(
                torch.from_numpy(self.rgb[chosen]),
                torch.from_numpy(self.labels[chosen]),
                [torch.from_numpy(self.blocks[chosen, block]).float() for block in blocks],
            )

        return read


def rare_class_chances(labels: Labels) -> npt.NDArray[np.float64]:
    """
    Chance of every view under rare class sampling (DAFormer, arXiv 2111.14887, equation 7).

    A class is drawn, the rarer the likelier, then one of the views (V, H, W) that show it.
    """
    counts = np.stack([np.bincount(view.ravel(), minlength=256) for view in labels])
    counts = counts[:, :UNLABELLED]
    shown = counts >= RARE_PIXELS
    classes = np.flatnonzero(shown.any(0))
    frequency = counts.sum(0)[classes] / counts.sum()
    chance = np.exp((1.0 - frequency) / RARE_TEMPERATURE)
    views = shown[:, classes] / shown[:, classes].sum(0)
    chances: npt.NDArray[np.float64] = views @ (chance / chance.sum())
    return chances


def build_cache(
    folder: Path,
    network: DepthForge,
    samples: Sequence[Loader],
    *,
    views: int,
    augment: Augment,
    rng: np.random.Generator,
) -> Cache:
    """Draw `views` views per sample and store them with their depth features (half precision)."""
    done = folder / 'complete'
    if done.is_file():
        return Cache(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = network.config.encoder
    count = len(samples) * views
    patches = (augment.height // config.patch) * (augment.width // config.patch)
    shape = (count, config.depth, patches, config.width)
    rgb = create_array(folder / 'rgb.npy', np.uint8, (count, augment.height, augment.width, 3))
    labels = create_array(folder / 'labels.npy', np.uint8, (count, augment.height, augment.width))
    blocks = create_array(folder / 'blocks.npy', np.float16, shape)
    for index in tqdm(range(count), desc='frozen features', unit='view'):
        drawn_view: tuple[Rgb, Labels] = view(samples[index % len(samples)](), augment, rng)
        rgb[index], labels[index] = drawn_view
        with torch.inference_mode():
            image = network.normalize(torch.from_numpy(rgb[index : index + 1].copy()))
            for block, x_1NC in enumerate(network.depth_blocks(image)):
                blocks[index, block] = x_1NC[0].half().numpy()
    for array in (rgb, labels, blocks):
        array.flush()
    done.touch()
    return Cache(folder)


def create_array(path: Path, kind: type, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """Make an array in a .npy file of its own."""
    return np.lib.format.open_memmap(path, mode='w+', dtype=kind, shape=shape)


def in_rounds(count: int, size: int, step: int, seed: int) -> npt.NDArray[np.int64]:
    """Items of the batch of an iteration (from 1), when `count` items are shuffled every round."""
    first = (step - 1) * size
    places = range(first, first + size)
    orders = {
        turn: np.random.default_rng((seed, turn)).permutation(count)
        for turn in {place // count for place in places}
    }
    return np.array([orders[place // count][place % count] for place in places], np.int64)
