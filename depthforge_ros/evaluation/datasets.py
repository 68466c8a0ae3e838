# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Labelled images as a user chooses them: a data set, a split, some of the files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from depthforge_ros.datasets.base import Labels, Pair
from depthforge_ros.datasets.known import DATASETS
from depthforge_ros.datasets.plain import folder
from depthforge_ros.errors import UserError
from depthforge_ros.files import natural_key
from depthforge_ros.labels import LABEL_SPACES, LabelSpace

FOLDER = 'folder'


@dataclass(frozen=True)
class DatasetChoice:
    """What a user says of a dataset."""

    root: Path
    split: str | None = None
    labels: str | None = None
    """Label space of a plain folder."""
    match: str = '*'
    """Glob over file names."""
    limit: int | None = None
    """Take the first so many."""

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise UserError(f'limit is {self.limit}; it must be at least 1 image')


@dataclass(frozen=True)
class Dataset:
    """Pairs of image and label files, by name."""

    label_space: LabelSpace
    pairs: tuple[tuple[Path, Path], ...]
    read_labels: Callable[[Path], Labels]
    """Label file to train ids uint8 (H, W)."""


def open_dataset(name: str, choice: DatasetChoice) -> Dataset:
    """Find the files of a dataset; UserError for an unknown name or missing files."""
    if name not in DATASETS:
        raise UserError(f'dataset {name!r} is not known; choose one of {", ".join(DATASETS)}')
    if choice.labels is not None and name != FOLDER:
        raise UserError(
            f'--labels {choice.labels} is not for dataset {name}, whose classes are known; '
            'leave it out'
        )
    dataset = DATASETS[name]
    if name == FOLDER:
        dataset = folder(_label_space(choice.labels))
    if not choice.root.is_dir():
        raise UserError(f'--root {choice.root} is no folder; check the path')
    pairs = dataset.pairs(choice.root, choice.split or '')
    return Dataset(dataset.space, _chosen(pairs, choice), dataset.read_labels)


def _label_space(name: str | None) -> LabelSpace:
    space = LABEL_SPACES.get(name or '')
    if space is None:
        wrong = f'label space {name!r} is not known' if name else 'a folder names no classes'
        raise UserError(f'{wrong}; choose one of {", ".join(LABEL_SPACES)} by --labels')
    return space


def _chosen(pairs: Sequence[Pair], choice: DatasetChoice) -> tuple[tuple[Path, Path], ...]:
    """Take what is asked for, numbers in names in order."""
    ordered = sorted(pairs, key=lambda pair: natural_key(str(pair.image)))
    chosen = [pair for pair in ordered if fnmatch(pair.image.name, choice.match)][: choice.limit]
    if not chosen:
        raise UserError(f'no image of {choice.root} matches {choice.match!r}; check --match')
    found = [(image, labels) for image, labels in chosen if labels and labels.is_file()]
    if len(found) < len(chosen):
        lacking = {image for image, _ in chosen} - {image for image, _ in found}
        raise UserError(
            f'{len(lacking)} images of {choice.root} have no labels of the same name, the '
            f'first is {min(lacking).name}; add the labels or choose others by --match'
        )
    return tuple(found)
