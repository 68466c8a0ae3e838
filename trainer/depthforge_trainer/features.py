# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Batches of views with the frozen depth features, drawn anew, or read from a cache on disk.

Shapes: V views, L blocks, N patches, C encoder width.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
import json
from pathlib import Path
from typing import Any, NamedTuple

from depthforge_ros.errors import UserError
from depthforge_ros.labels import UNLABELLED
from depthforge_ros.model.network import DepthForge
from depthforge_trainer.augment import Augment, view
from depthforge_trainer.data import Loader, Rgb
from depthforge_trainer.datasets.base import Labels
from depthforge_trainer.lock import alone_in
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

RARE_PIXELS = 100
"""A view shows a class of which it has so many pixels."""
RARE_TEMPERATURE = 0.1
AHEAD = 4
"""Batches that are drawn before their turn, each by a thread."""


class Batch(NamedTuple):
    """Views with what the frozen depth stream says about them."""

    image_BHW3: Tensor
    labels_BHW: Tensor
    depth_blocks: list[Tensor]
    """(B, N, C) after every block that is asked for; empty where they are not known yet."""
    files: list[str]
    """Of the images."""
    seeds: list[int]
    """Of what else is random about each view."""


Batches = Callable[[int], Batch]
"""Iteration, from 1, to its batch; the same one whenever it is asked for."""


@dataclass(frozen=True)
class Share:
    """What one of several processes takes of every batch."""

    size: int
    """Views per process."""
    rank: int = 0
    world: int = 1

    @property
    def whole(self) -> Share:
        """Return what all processes take together."""
        return Share(self.size * self.world)

    @property
    def places(self) -> slice:
        """Return where the process's views are among those of all."""
        return slice(self.size * self.rank, self.size * (self.rank + 1))

    def of(self, count: int, step: int, seed: int) -> npt.NDArray[np.int64]:
        """Items out of `count` that the process takes in an iteration."""
        return in_rounds(count, self.size * self.world, step, seed)[self.places]

    def generators(self, step: int, seed: int) -> list[np.random.Generator]:
        """One per view: the same for a view whichever process takes it."""
        places = range(self.size * self.world)[self.places]
        return [np.random.default_rng((seed, step, place)) for place in places]


def ahead(batches: Batches, steps: Iterable[int]) -> Iterator[Batch]:
    """Give the batches of the steps; threads draw them while those before are trained on."""
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(AHEAD) as pool:
        for step in steps:
            waiting.append(pool.submit(batches, step))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def drawn(samples: Sequence[Loader], augment: Augment, *, share: Share, seed: int) -> Batches:
    """Draw new views every time; samples are gone through in shuffled rounds."""

    def draw(step: int) -> Batch:
        chosen = [samples[index] for index in share.of(len(samples), step, seed)]
        generators = share.generators(step, seed)
        views = [view(load(), augment, rng) for load, rng in zip(chosen, generators, strict=True)]
        rgb, labels = (np.stack(parts) for parts in zip(*views, strict=True))
        files = [str(load.image) for load in chosen]
        return Batch(
            torch.from_numpy(rgb), torch.from_numpy(labels), [], files, _seeds(generators)
        )

    return draw


def _seeds(generators: Sequence[np.random.Generator]) -> list[int]:
    return [int(rng.integers(2**63)) for rng in generators]


class Cache:
    """Views and their depth features in memory-mapped files."""

    def __init__(self, folder: Path, files: Sequence[str]) -> None:
        self.files = files
        """Of the images, which the views take turns of."""
        self.rgb: npt.NDArray[np.uint8] = np.load(folder / 'rgb.npy', mmap_mode='r')
        self.labels: npt.NDArray[np.uint8] = np.load(folder / 'labels.npy', mmap_mode='r')
        self.blocks: npt.NDArray[np.float16] = np.load(folder / 'blocks.npy', mmap_mode='r')

    def batches(
        self, blocks: Sequence[int], *, share: Share, seed: int, rare_classes: bool
    ) -> Batches:
        """
        Read random views; only the named blocks are read, the others are left out.

        With `rare_classes` half of each batch, that of all processes, is drawn by rare class
        sampling.
        """
        whole = share.whole
        chances = rare_class_chances(self.labels) if rare_classes else None

        def read(step: int) -> Batch:
            chosen = whole.of(len(self.rgb), step, seed)
            generators = whole.generators(step, seed)
            if chances is not None:
                half = whole.size // 2
                rare = [rng.choice(len(chances), p=chances) for rng in generators[:half]]
                chosen = np.array([*chosen[half:], *rare])
            chosen, generators = chosen[share.places], generators[share.places]
            return Batch(
                torch.from_numpy(self.rgb[chosen]),
                torch.from_numpy(self.labels[chosen]),
                [torch.from_numpy(self.blocks[chosen, block]).float() for block in blocks],
                [self.files[index % len(self.files)] for index in chosen],
                _seeds(generators),
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
    if not shown.any():
        raise UserError(
            f'rare_classes came, but no view shows {RARE_PIXELS} pixels of any class; leave it out'
        )
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
    of: Sequence[str | int] = (),
) -> Cache:
    """
    Draw `views` views per sample and store them with their depth features (half precision).

    `of` is kept with them, and has to be the same when they are read again. Processes that share
    the folder wait for the one that fills it.
    """
    files = [str(load.image) for load in samples]
    made_of = json.dumps({'views': views, 'files': files, 'augment': asdict(augment), 'of': of})
    with alone_in(folder):
        done = folder / 'complete'
        if not done.is_file():
            _fill_cache(folder, network, samples, views, augment, rng)
            done.write_text(made_of)
        elif done.read_text() != made_of:
            raise UserError(
                f'{folder} holds views of other images, another augmentation, seed or foundation '
                'than the configuration names; name another cache, or remove the folder'
            )
    return Cache(folder, files)


def _fill_cache(
    folder: Path,
    network: DepthForge,
    samples: Sequence[Loader],
    views: int,
    augment: Augment,
    rng: np.random.Generator,
) -> None:
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
            image = torch.from_numpy(rgb[index : index + 1].copy()).to(network.mean.device)
            for block, x_1NC in enumerate(network.depth_blocks(network.normalize(image))):
                blocks[index, block] = x_1NC[0].half().cpu().numpy()
    for array in (rgb, labels, blocks):
        array.flush()


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
