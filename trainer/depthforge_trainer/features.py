# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Batches of views, drawn anew, or read with their frozen features from caches on disk.

Shapes: V views, T target ids (of labels) or cached blocks (of tokens), N patches, C encoder width.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from depthforge_ros.errors import UserError
from depthforge_ros.model.dpt import DepthMaps
from depthforge_trainer.augment import Augment, view, Window
from depthforge_trainer.cache import CachedLoader
from depthforge_trainer.classes import Targets
from depthforge_trainer.data import Loader
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

RARE_PIXELS = 100
"""A view shows a class of which it has so many pixels."""
RARE_TEMPERATURE = 0.1
AHEAD = 4
"""Batches that are drawn before their turn, each by a thread."""


class Batch(NamedTuple):
    """Views with what the frozen depth stream says about them."""

    image_BHW3: Tensor
    labels_BHW: Tensor
    """Target ids, see `depthforge_trainer.classes`."""
    blocks: dict[int, Tensor]
    """Tokens (B, 1 + R + N, C) after the blocks that are cached; empty where nothing is."""
    maps: DepthMaps | None
    """What the depth head says, at stride 4, where it is cached."""
    files: list[str]
    """Of the images."""
    seeds: list[int]
    """Of what else is random about each view."""
    inverse_depth_BHW: Tensor | None = None
    """A teacher's, relative; zero where it said none."""
    features_BChw: Tensor | None = None
    """A teacher's last tokens at the network's patches; zero where there are none."""


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


def drawn(
    samples: Sequence[Loader | CachedLoader],
    targets: Targets,
    augment: Augment,
    *,
    share: Share,
    seed: int,
    patch: int = 0,
) -> Batches:
    """
    Draw new views every time; samples are gone through in shuffled rounds.

    With a `patch` size the teacher's features of cached samples come with them.
    """
    grid = (augment.height // patch, augment.width // patch) if patch else (0, 0)

    def draw(step: int) -> Batch:
        chosen = [samples[index] for index in share.of(len(samples), step, seed)]
        generators = share.generators(step, seed)
        views = [view(load(), augment, rng) for load, rng in zip(chosen, generators, strict=True)]
        labels = [
            targets.of(one.labels, load.space) for one, load in zip(views, chosen, strict=True)
        ]
        return Batch(
            torch.from_numpy(np.stack([one.rgb for one in views])),
            torch.from_numpy(np.stack(labels)),
            {},
            None,
            [str(load.image) for load in chosen],
            _seeds(generators),
            torch.from_numpy(np.stack([one.inverse_depth for one in views])),
            _features(chosen, [one.window for one in views], grid) if patch else None,
        )

    return draw


def _features(
    samples: Sequence[Loader | CachedLoader], windows: Sequence[Window], grid: tuple[int, int]
) -> Tensor | None:
    """Cut the teacher's features (B, C, h, w) of the views out of those of the samples."""
    cut = {
        index: features_in(
            torch.from_numpy(sample.features.astype(np.float32)), sample.cache.grid, window, grid
        )
        for index, (sample, window) in enumerate(zip(samples, windows, strict=True))
        if isinstance(sample, CachedLoader)
    }
    if not cut:
        return None
    nothing = torch.zeros_like(next(iter(cut.values())))
    return torch.stack([cut.get(index, nothing) for index in range(len(samples))])


def features_in(
    tokens_NC: Tensor, whole: tuple[int, int], window: Window, grid: tuple[int, int]
) -> Tensor:
    """Interpolate tokens of a `whole` grid at a window's `grid` (C, h, w); zero beyond it."""
    rows, columns = grid
    x = window.left + (window.right - window.left) * (torch.arange(columns) + 0.5) / columns
    y = window.top + (window.bottom - window.top) * (torch.arange(rows) + 0.5) / rows
    at_hw2 = 2.0 * torch.stack(torch.meshgrid(x, y, indexing='xy'), -1) - 1.0
    map_Chw = tokens_NC.T.unflatten(1, whole)
    found = functional.grid_sample(
        map_Chw[None], at_hw2[None], padding_mode='border', align_corners=False
    )
    inside: Tensor = (at_hw2.abs() <= 1.0).all(-1)
    return found[0] * inside


def _seeds(generators: Sequence[np.random.Generator]) -> list[int]:
    return [int(rng.integers(2**63)) for rng in generators]


def cached(
    views: Sequence[CachedLoader], targets: Targets, *, share: Share, seed: int, rare_classes: bool
) -> Batches:
    """
    Read views in shuffled rounds, each flipped or not.

    With `rare_classes`, half of each batch, that of all processes, is drawn by rare class
    sampling.
    """
    blocks = views[0].cache.blocks
    if any(one.cache.blocks != blocks for one in views):
        raise UserError(
            'the caches of some sources hold the tokens of other blocks; name another cache'
        )
    whole = share.whole
    chances = rare_class_chances(views, targets) if rare_classes else None

    def read(step: int) -> Batch:
        chosen = whole.of(len(views), step, seed)
        generators = whole.generators(step, seed)
        if chances is not None:
            half = whole.size // 2
            rare = [rng.choice(len(chances), p=chances) for rng in generators[:half]]
            chosen = np.array([*chosen[half:], *rare])
        chosen, generators = chosen[share.places], generators[share.places]
        flips = [bool(rng.random() < 0.5) for rng in generators]
        read = [
            views[index].cache.read(views[index].index, flip=flip)
            for index, flip in zip(chosen, flips, strict=True)
        ]
        labels = [
            targets.of(views[index].labels[:, :: -1 if flip else 1], views[index].space)
            for index, flip in zip(chosen, flips, strict=True)
        ]
        tokens_BTNC = torch.stack([one.tokens_TNC for one in read]).float()
        return Batch(
            torch.from_numpy(np.stack([one.rgb for one in read])),
            torch.from_numpy(np.stack(labels)),
            dict(zip(blocks, tokens_BTNC.unbind(1), strict=True)),
            DepthMaps(
                torch.stack([one.inverse_depth_hw for one in read]).float(),
                torch.stack([one.fused_Fhw for one in read]).float(),
            ),
            [views[index].cache.files[views[index].index] for index in chosen],
            _seeds(generators),
        )

    return read


def rare_class_chances(views: Sequence[CachedLoader], targets: Targets) -> npt.NDArray[np.float64]:
    """
    Chance of every view under rare class sampling (DAFormer, arXiv 2111.14887, equation 7).

    A target id is drawn, the rarer the likelier, then one of the views that show it.
    """
    counts = label_counts(views, targets)
    shown = counts >= RARE_PIXELS
    if not shown.any():
        raise UserError(
            f'rare_classes needs classes, but no view shows {RARE_PIXELS} pixels of any class; '
            'leave it out'
        )
    classes = np.flatnonzero(shown.any(0))
    frequency = counts.sum(0)[classes] / counts.sum()
    chance = np.exp((1.0 - frequency) / RARE_TEMPERATURE)
    per_view = shown[:, classes] / shown[:, classes].sum(0)
    chances: npt.NDArray[np.float64] = per_view @ (chance / chance.sum())
    return chances


def label_counts(views: Sequence[CachedLoader], targets: Targets) -> npt.NDArray[np.int64]:
    """Count the pixels of every view (V, T) with each target id."""
    return np.stack(
        [
            np.bincount(targets.of(one.labels, one.space).ravel(), minlength=256)[: len(targets)]
            for one in views
        ]
    )


def in_rounds(count: int, size: int, step: int, seed: int) -> npt.NDArray[np.int64]:
    """Items of the batch of an iteration (from 1), when `count` items are shuffled every round."""
    first = (step - 1) * size
    places = range(first, first + size)
    orders = {
        turn: np.random.default_rng((seed, turn)).permutation(count)
        for turn in {place // count for place in places}
    }
    return np.array([orders[place // count][place % count] for place in places], np.int64)
