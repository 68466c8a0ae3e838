# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What is in a data set's folder, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from depthforge_ros.errors import UserError
from depthforge_ros.labels import UNLABELLED
from depthforge_trainer.data import Loader
from depthforge_trainer.datasets import DATASETS
from depthforge_trainer.datasets.base import DataSet, Pair
import numpy as np
import numpy.typing as npt
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
    pairs = dataset.pairs(root, split)
    faults = [f'{path} has no image' for path in _labels_alone(dataset, pairs)]
    for pair in tqdm(pairs, desc='check', unit='image', mininterval=5.0):
        try:
            labels = Loader(pair, dataset, dataset.space)().labels
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


def _labels_alone(dataset: DataSet, pairs: Sequence[Pair]) -> list[Path]:
    """Find the label files without an image in the folders of the others."""
    known = {pair.labels for pair in pairs if pair.labels is not None}
    folders = {path.parent for path in known}
    found = {path for folder in folders for path in folder.glob(f'*{dataset.labels_end}')}
    return sorted(found - known)
