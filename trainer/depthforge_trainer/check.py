# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What is in a data set's folder, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import itertools
from pathlib import Path

from depthforge_ros.bags.image_files import PILLOW_ERRORS
from depthforge_ros.datasets.base import Pair
from depthforge_ros.errors import one_line, UserError
from depthforge_ros.labels import UNLABELLED
from depthforge_trainer.data import Loader
from depthforge_trainer.datasets import DATASETS
import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

SHOWN_FAULTS = 20


@dataclass(frozen=True)
class Findings:
    """What a check saw."""

    images: int
    labels: int
    """Files that could be read and fit their images."""
    pixels: dict[str, int]
    """Labelled pixels per class."""
    unlabelled: int
    """Pixels without a class."""
    faults: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Say it in text: counts, the share of every class in percent, faults."""
        yield f'images {self.images}, readable labels {self.labels}'
        total = sum(self.pixels.values()) + self.unlabelled
        for name, count in (self.pixels | {'(unlabelled)': self.unlabelled}).items():
            note = '' if count else '   never occurs'
            yield f'{name:15} {100.0 * count / max(total, 1):6.2f} %{note}'
        yield f'faults {len(self.faults)}'
        yield from self.faults[:SHOWN_FAULTS]
        if len(self.faults) > SHOWN_FAULTS:
            yield f'... and {len(self.faults) - SHOWN_FAULTS} more'


def check(name: str, root: Path, split: str = '') -> Findings:
    """Read every file of a data set; UserError if it is unknown or empty."""
    if name not in DATASETS:
        raise UserError(f'dataset {name!r} is not known; choose one of {", ".join(DATASETS)}')
    dataset = DATASETS[name]
    counts: npt.NDArray[np.int64] = np.zeros(256, np.int64)
    readable = 0
    try:
        pairs = dataset.pairs(root, split)
    except UserError:
        # Labels alone are a finding.
        if split not in (dataset.splits or ('',)) or not dataset.label_files(root, split):
            raise
        pairs = []
    faults = [*_labels_alone(dataset.label_files(root, split), pairs), *_shared_labels(pairs)]
    for pair in tqdm(pairs, desc='check', unit='image', mininterval=5.0):
        try:
            _check_whole(pair.image)
            labels = Loader(pair, dataset)().labels
            if pair.labels is not None:
                _check_whole(pair.labels)
        except UserError as error:
            faults.append(str(error))
            continue
        if pair.labels is not None:
            readable += 1
            counts += np.bincount(labels.ravel(), minlength=256)
    return Findings(
        images=len(pairs),
        labels=readable,
        pixels={c: int(counts[index]) for index, c in enumerate(dataset.space.classes)},
        unlabelled=int(counts[UNLABELLED]),
        faults=tuple(faults),
    )


def _labels_alone(files: Sequence[Path], pairs: Sequence[Pair]) -> Iterator[str]:
    """Name the label files without an image; folders that have no image in one line."""
    known = {pair.labels for pair in pairs}
    folders = {labels.parent for labels in known if labels is not None}
    for folder, group in itertools.groupby(files, lambda path: path.parent):
        labels = list(group)
        if folder in folders:
            yield from (f'{path} has no image' for path in labels if path not in known)
        else:
            yield f'{folder} has {len(labels)} label files, and none of them has an image'


def _shared_labels(pairs: Sequence[Pair]) -> Iterator[str]:
    """Name the images that would be taught by another one's labels."""
    first: dict[Path, Path] = {}
    for image, labels in pairs:
        if labels is not None and first.setdefault(labels, image) != image:
            yield f'{image} and {first[labels].name} share {labels}; keep one of them'


def _check_whole(path: Path) -> None:
    """Refuse a file that is cut short, of which OpenCV may fill up the rest."""
    try:
        with Image.open(path) as image:
            image.load()
    except PILLOW_ERRORS as error:
        raise UserError(
            f'{path} is cut short or broken ({one_line(error)}); replace it'
        ) from error
