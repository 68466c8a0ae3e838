# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Training samples: RGB images with train ids, from folders or from the street renderer."""

from __future__ import annotations

from dataclasses import dataclass
import fnmatch
from pathlib import Path

import cv2
from depthforge_ros.bags.image_files import read_16_bit, write_image
from depthforge_ros.datasets.base import DataSet, Labels, Pair
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.corruptions import ALL, Corruption, corruptions
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.labels import LabelSpace, UNLABELLED
from depthforge_trainer import street
from depthforge_trainer.datasets import DATASETS
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

Rgb = npt.NDArray[np.uint8]
InverseDepth = npt.NDArray[np.float32]
UINT16_MAX = 65535
STREET_SIZE = (360, 480)
"""Height and width of rendered training views: CamVid's."""


@dataclass(frozen=True)
class Sample:
    """One image; labels are all 255 where there is no ground truth."""

    name: str
    rgb: Rgb
    """uint8 (H, W, 3)."""
    labels: Labels
    """uint8 (H, W), train ids, 255 unlabelled."""
    inverse_depth: InverseDepth | None = None
    """float32 (H, W), relative, where a teacher said it."""


@dataclass(frozen=True)
class Source:
    """Where samples come from, as a training configuration names it."""

    kind: str
    """A name of `depthforge_trainer.datasets.DATASETS`."""
    root: str = ''
    """Folder of the data set (`images`: the folder of the images itself; `street`: where the
    rendered views are kept, so that they are rendered only once)."""
    split: str = ''
    """For data sets with splits in their folders."""
    exclude: str = ''
    """File names that match this pattern are left out."""
    count: int = 0
    """Number of rendered views (`street`), or the first so many files; 0 takes all."""
    every: int = 1
    """Takes each n-th of the files that are left."""
    views: int = 0
    """Views of each image that are cached; 0 takes `cached_views` of the run."""
    depth: str = ''
    """Folder of what a teacher said of the images' depth, where phases train the whole network:
    16-bit PNGs of the images' names, of relative inverse depth, at any size."""
    name: str = ''
    """What tables and caches call it; without, the kind and the split."""
    corruption: str = ''
    """One of the 19 common corruptions of `depthforge evaluate images`, for images to judge on."""
    severity: int = 3
    """Of the corruption, 1 (weak) to 5 (strong)."""

    def __post_init__(self) -> None:
        if self.kind not in DATASETS:
            raise UserError(
                f'data kind {self.kind!r} is not known; choose one of {", ".join(DATASETS)}'
            )
        if not self.corruption and self.severity != Source.severity:
            raise UserError(f'severity {self.severity} needs a corruption; name one')
        if self.corruption == ALL:
            raise UserError(
                f'corruption {ALL} is not for a source; name one, and a source for each'
            )

    @property
    def title(self) -> str:
        """Return what tables and caches call it."""
        return self.name or '_'.join(part for part in (self.kind, self.split) if part)

    @property
    def labelled(self) -> bool:
        """Tell whether the images have labels."""
        return self.kind != 'images'


@dataclass(frozen=True)
class Loader:
    """Reads a sample when it is called."""

    pair: Pair
    dataset: DataSet
    corruption: Corruption | None = None
    index: int = 0
    """Of the image in its source, which seeds the corruption."""
    depth: Path | None = None
    """Folder of a teacher's inverse depth."""

    @property
    def image(self) -> Path:
        """Return the file of the image."""
        return self.pair.image

    def __call__(self) -> Sample:
        """Read; UserError for files that are missing, broken or do not fit each other."""
        rgb = rgb_from_file(self.image)
        if self.corruption is not None:
            rgb = self.corruption(rgb, self.index)
        size = rgb.shape[0], rgb.shape[1]
        return Sample(self.image.stem, rgb, self._labels(size), self._inverse_depth(size))

    def _labels(self, size: tuple[int, int]) -> Labels:
        if self.pair.labels is None:
            return np.full(size, UNLABELLED, np.uint8)
        labels = self.dataset.read_labels(self.pair.labels)
        if labels.shape != size:
            raise UserError(
                f'{self.pair.labels} is {labels.shape[1]} x {labels.shape[0]} but its image is '
                f'{size[1]} x {size[0]}; they must be equal'
            )
        return labels

    def _inverse_depth(self, size: tuple[int, int]) -> InverseDepth | None:
        if self.depth is None:
            return None
        path = self.depth / f'{self.image.stem}.png'
        try:
            stored = read_16_bit(path)
        except UserError as error:
            raise UserError(
                f'{path} is no 16-bit PNG of one channel, which {self.image} needs; add it, or '
                'leave depth out of the source'
            ) from error
        resized = cv2.resize(stored.astype(np.float32), size[::-1])
        return np.asarray(resized / np.float32(UINT16_MAX), np.float32)

    @property
    def labelled(self) -> bool:
        """Tell whether the image has labels."""
        return self.pair.labels is not None

    @property
    def space(self) -> LabelSpace:
        """Return the label space of the sample's train ids."""
        return self.dataset.space


def loaders(source: Source) -> list[Loader]:
    """List what a source takes of its data set: one function per sample, which reads it."""
    every = all_loaders(source)
    if source.exclude:
        every = [one for one in every if not fnmatch.fnmatch(one.image.name, source.exclude)]
    if not every:
        raise UserError(
            f'no images in {source.root} are left by exclude {source.exclude!r}; change it'
        )
    every = every[:: source.every]
    chosen = every[: source.count] if source.count else every
    labels = [one.pair.labels for one in chosen if one.pair.labels is not None]
    lacking = [path for path in labels if not path.is_file()]
    if lacking:
        raise UserError(
            f'{len(lacking)} label files of {source.root} are missing, the first is {lacking[0]}'
        )
    return chosen


def all_loaders(source: Source) -> list[Loader]:
    """List a source's whole data set."""
    dataset = DATASETS[source.kind]
    root = Path(source.root)
    if source.kind == 'street':
        _render_missing(root, source.count)
    pairs = dataset.pairs(root, source.split)
    depth = Path(source.depth) if source.depth else None
    if not source.corruption:
        return [Loader(pair, dataset, depth=depth) for pair in pairs]
    (corruption,) = corruptions(source.corruption, source.severity)
    return [Loader(pair, dataset, corruption, index) for index, pair in enumerate(pairs)]


def _render_missing(root: Path, count: int) -> None:
    """Render the views of seeds 0 to count - 1 that are not in the folder yet."""
    missing = [s for s in range(count) if not (root / 'labels' / f'{s:06d}.png').is_file()]
    for seed in tqdm(missing, desc='render streets', unit='view', disable=not missing):
        frame = street.sample(seed, *STREET_SIZE)
        write_image(root / 'images' / f'{seed:06d}.jpg', frame.rgb[..., ::-1])
        write_image(root / 'labels' / f'{seed:06d}.png', frame.labels)
