# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Random views of a data set with what the frozen depth stream says of them, in files on disk.

A cache belongs to one data set, one round of views, one augmentation and one frozen network. It
has a place for every image, and is filled where a run needs it: runs that take other parts of the
data set share it, and one that was stopped goes on. Processes that share it take turns.

Shapes: V views, T cached blocks, R registers, N patches, C encoder width, F width of the depth
head, h x w four times the patch grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2
from depthforge_ros.datasets.base import Labels
from depthforge_ros.errors import UserError
from depthforge_ros.labels import LabelSpace, UNLABELLED
from depthforge_ros.model.answer import summarise
from depthforge_ros.model.checkpoint import digest
from depthforge_ros.model.config import NetworkConfig
from depthforge_ros.model.dpt import DepthMaps
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.refinement import resize
from depthforge_ros.model.streams import KnownDepth
from depthforge_trainer.augment import Augment, view
from depthforge_trainer.data import Loader, Rgb, Sample
from depthforge_trainer.lock import alone_in
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

DESCRIPTION = 'cache.json'
CONFIDENCE = 0.7
"""Of pseudo-labels: the least share of the winning class."""
PIXELS = ('rgb', 'labels')
FEATURES = ('tokens', 'fused', 'inverse_depth')


class Frozen(NamedTuple):
    """One view with its features, read."""

    rgb: Rgb
    """uint8 (H, W, 3)."""
    tokens_TNC: Tensor
    """(T, 1 + R + N, C), float16."""
    fused_Fhw: Tensor
    """float16."""
    inverse_depth_hw: Tensor
    """float16."""


@dataclass(frozen=True)
class Cache:
    """Memory-mapped files of one round of views."""

    files: Sequence[str]
    """Of the images; the index of a view is that of its image."""
    blocks: tuple[int, ...]
    """Whose tokens are kept."""
    grid: tuple[int, int]
    """Patches (rows, columns) of a view."""
    arrays: Mapping[str, npt.NDArray[Any]]

    @property
    def labels(self) -> npt.NDArray[np.uint8]:
        """Return train ids uint8 (V, H, W)."""
        return self.arrays['labels']

    def read(self, index: int, *, flip: bool) -> Frozen:
        """Read a view, as it is or mirrored: its features then are those of the mirrored grid."""
        rgb = np.asarray(self.arrays['rgb'][index])
        tokens, fused, depth = (
            torch.from_numpy(np.array(self.arrays[name][index])) for name in FEATURES
        )
        if not flip:
            return Frozen(rgb, tokens, fused, depth)
        patches = self.grid[0] * self.grid[1]
        before, on_grid = tokens[:, :-patches], tokens[:, -patches:]
        mirrored = on_grid.unflatten(1, self.grid).flip(2).flatten(1, 2)
        return Frozen(
            rgb[:, ::-1],
            torch.cat((before, mirrored), 1),
            fused.flip(-1),
            depth.flip(-1),
        )


@dataclass(frozen=True)
class CachedLoader:
    """Reads a cached view as a sample, with the teacher's depth but without features."""

    cache: Cache
    index: int
    space: LabelSpace
    pseudo: Labels | None = None
    """Labels (V, H, W) of all views by a teacher, in place of the data set's."""

    @property
    def labels(self) -> Labels:
        """Return train ids (H, W) of the view."""
        labels = self.cache.labels if self.pseudo is None else self.pseudo
        return np.array(labels[self.index])

    @property
    def labelled(self) -> bool:
        """Say yes: a view without labels is unlabelled all over."""
        return True

    @property
    def image(self) -> Path:
        """Return the file of the image."""
        return Path(self.cache.files[self.index])

    @property
    def features(self) -> npt.NDArray[np.float16]:
        """Return the tokens (N, C) of the last cached block."""
        rows, columns = self.cache.grid
        tokens: npt.NDArray[np.float16] = self.cache.arrays['tokens'][self.index, -1]
        return tokens[-rows * columns :]

    def __call__(self) -> Sample:
        """Read."""
        rgb, labels = np.array(self.cache.arrays['rgb'][self.index]), self.labels
        depth = self.cache.arrays['inverse_depth'][self.index].astype(np.float32)
        inverse_depth = cv2.resize(depth, labels.shape[::-1])
        return Sample(self.image.stem, rgb, labels, np.asarray(inverse_depth, np.float32))


def open_cache(
    folder: Path,
    network: DepthForge,
    samples: Sequence[Loader],
    wanted: Sequence[int],
    *,
    blocks: Sequence[int],
    augment: Augment,
    seed: tuple[int, ...],
) -> Cache:
    """
    Open the cache of a data set, and fill it where the views `wanted` lack.

    A new one holds the tokens of `blocks`; one that is there need only hold those that the network
    cannot begin without. UserError where it holds views of other images, another augmentation or
    another network.
    """
    files = [str(load.image) for load in samples]
    made_of: dict[str, Any] = {
        'files': files,
        'blocks': list(blocks),
        'augment': asdict(augment) | {'scale': list(augment.scale)},
        'network': frozen_digest(network),
    }
    with alone_in(folder):
        description = folder / DESCRIPTION
        if not description.is_file():
            _create(folder, network, len(samples), len(blocks), augment)
            description.write_text(json.dumps(made_of))
        stored = json.loads(description.read_text())
        # One of before a field was there has views without what it does.
        stored['augment'] = asdict(Augment()) | stored.get('augment', {})
        if least_blocks(network.config) <= {*stored.get('blocks', ())}:
            blocks = made_of['blocks'] = stored['blocks']
        _check(folder, stored, made_of)
        cache = _map(folder, files, tuple(blocks), _grid(network, augment), 'r+')
        _fill(cache, network, samples, wanted, augment, seed)
    return _map(folder, cache.files, cache.blocks, cache.grid, 'r')


def least_blocks(config: NetworkConfig) -> set[int]:
    """Blocks from which the others can be computed: the tapped, and the one before the tokens."""
    return {*config.taps, config.tokens.first_block - 1} - {-1}


def frozen_digest(network: DepthForge) -> str:
    """Hash what the views' features depend on: the depth encoder and the depth head."""
    state = network.state_dict()
    return digest(
        {k: v for k, v in state.items() if k.startswith(('depth_encoder', 'depth_head'))}
    )


def _check(folder: Path, stored: Mapping[str, Any], made_of: Mapping[str, Any]) -> None:
    differing = [name for name in made_of if stored.get(name) != made_of[name]]
    if differing:
        raise UserError(
            f'{folder} holds views of other {", ".join(differing)} than the configuration names; '
            'name another cache, or remove the folder'
        )


def _grid(network: DepthForge, augment: Augment) -> tuple[int, int]:
    patch = network.config.encoder.patch
    return augment.height // patch, augment.width // patch


def _create(folder: Path, network: DepthForge, count: int, blocks: int, augment: Augment) -> None:
    config = network.config
    rows, columns = _grid(network, augment)
    tokens = network.depth_encoder.prefix + rows * columns
    size, fine = (augment.height, augment.width), (4 * rows, 4 * columns)
    for name, kind, shape in (
        ('rgb', np.uint8, (*size, 3)),
        ('labels', np.uint8, size),
        ('tokens', np.float16, (blocks, tokens, config.encoder.width)),
        ('fused', np.float16, (config.dpt.features, *fine)),
        ('inverse_depth', np.float16, fine),
        ('done', np.uint8, ()),
    ):
        # Files with holes: what no run needs takes no place.
        path = folder / f'{name}.npy'
        np.lib.format.open_memmap(path, mode='w+', dtype=kind, shape=(count, *shape))


def _map(
    folder: Path, files: Sequence[str], blocks: tuple[int, ...], grid: tuple[int, int], mode: Any
) -> Cache:
    names = (*PIXELS, *FEATURES, 'done')
    arrays = {name: np.load(folder / f'{name}.npy', mmap_mode=mode) for name in names}
    return Cache(files, blocks, grid, arrays)


def _fill(
    cache: Cache,
    network: DepthForge,
    samples: Sequence[Loader],
    wanted: Sequence[int],
    augment: Augment,
    seed: tuple[int, ...],
) -> None:
    lacking = [index for index in wanted if not cache.arrays['done'][index]]
    for index in tqdm(lacking, desc='frozen features', unit='view', disable=not lacking):
        rng = np.random.default_rng((*seed, index))
        rgb, labels = view(samples[index](), augment, rng)[:2]
        tokens_TNC, maps = _frozen(network, rgb, cache)
        values = rgb, labels, tokens_TNC, maps.fused_BFhw[0], maps.depth_BHW[0]
        for name, value in zip((*PIXELS, *FEATURES), values, strict=True):
            cache.arrays[name][index] = value
        cache.arrays['done'][index] = 1


@torch.inference_mode()
def _frozen(network: DepthForge, rgb: Rgb, cache: Cache) -> tuple[Any, DepthMaps]:
    """Tokens (T, 1 + R + N, C) of the cached blocks and the depth head's maps at stride 4."""
    image = network.normalize(torch.from_numpy(rgb[None].copy()).to(network.mean.device))
    with network.depth_stream(image) as depth:
        tokens = torch.cat([depth.block(index) for index in cache.blocks])
        maps = depth.maps()
    fine = (4 * cache.grid[0], 4 * cache.grid[1])
    inverse_depth = resize(maps.depth_BHW[:, None], fine)[:, 0]
    return tokens.half().cpu().numpy(), DepthMaps(
        inverse_depth.half().cpu(), maps.fused_BFhw.half().cpu()
    )


@torch.inference_mode()
def pseudo_labels(cache: Cache, teacher: DepthForge, wanted: Sequence[int]) -> Labels:
    """
    Label cached views by a teacher's decoder on their features: (V, H, W), kept in memory.

    255 where it is less sure than `CONFIDENCE`.
    """
    labels = np.full(cache.labels.shape, UNLABELLED, np.uint8)
    for index in tqdm(wanted, desc='pseudo labels', unit='view'):
        view = cache.read(index, flip=False)
        tokens = dict(zip(cache.blocks, view.tokens_TNC.float()[:, None].unbind(0), strict=True))
        maps = DepthMaps(view.inverse_depth_hw.float()[None], view.fused_Fhw.float()[None])
        image = teacher.normalize(torch.from_numpy(view.rgb[None].copy()))
        depth = KnownDepth(tokens, maps)
        output = teacher.segment(teacher.visual_taps(image, depth), depth, every_layer=False)
        size = view.rgb.shape[0], view.rgb.shape[1]
        ids, confidence, _ = summarise(output.class_scores(), size)
        sure = (confidence[0] >= CONFIDENCE).numpy()
        labels[index][sure] = ids[0].numpy()[sure]
    return labels
