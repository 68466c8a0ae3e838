# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Labelled image folders by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from depthforge_ros.bags.image_files import list_images
from depthforge_ros.errors import UserError
from depthforge_ros.labels import CAMVID, CITYSCAPES, LABEL_SPACES, LabelSpace

CAMVID_SPLITS = ('train', 'val', 'test')


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
            raise UserError(f'limit {self.limit} came, at least 1 image is needed')


@dataclass(frozen=True)
class Dataset:
    """Pairs of image and label files, by name."""

    label_space: LabelSpace
    pairs: tuple[tuple[Path, Path], ...]


def open_dataset(name: str, choice: DatasetChoice) -> Dataset:
    """Find the files of a dataset; UserError for an unknown name or missing files."""
    if name not in DATASETS:
        raise UserError(f'dataset {name!r} is not known; choose one of {", ".join(DATASETS)}')
    return DATASETS[name](choice)


def _camvid(choice: DatasetChoice) -> Dataset:
    if choice.split not in CAMVID_SPLITS:
        raise UserError(
            f'camvid split {choice.split!r} came; choose one of '
            f'{", ".join(CAMVID_SPLITS)} by --split'
        )
    return Dataset(CAMVID, _pairs(choice.root / str(choice.split), choice))


def _kitti_semantic(choice: DatasetChoice) -> Dataset:
    _no_split('kitti_semantic', choice)
    return Dataset(CITYSCAPES, _pairs(choice.root, choice))


def _folder(choice: DatasetChoice) -> Dataset:
    _no_split('folder', choice)
    space = LABEL_SPACES.get(choice.labels or '')
    if space is None:
        raise UserError(
            f'label space {choice.labels!r} of the folder is not known; choose one of '
            f'{", ".join(LABEL_SPACES)} by --labels'
        )
    return Dataset(space, _pairs(choice.root, choice))


DATASETS: Mapping[str, Callable[[DatasetChoice], Dataset]] = {
    'camvid': _camvid,
    'kitti_semantic': _kitti_semantic,
    'folder': _folder,
}


def _no_split(name: str, choice: DatasetChoice) -> None:
    if choice.split is not None:
        raise UserError(f'{name} has no splits, --split {choice.split} came; leave it out')


def _pairs(root: Path, choice: DatasetChoice) -> tuple[tuple[Path, Path], ...]:
    images = [path for path in list_images(root / 'images') if fnmatch(path.name, choice.match)]
    if not images:
        raise UserError(f'no image of {root / "images"} matches {choice.match!r}; check --match')
    labels = {path.stem: path for path in list_images(root / 'labels')}
    images = images[: choice.limit]
    missing = [path.name for path in images if path.stem not in labels]
    if missing:
        raise UserError(
            f'{len(missing)} images of {root / "images"} have no labels of the same name, the '
            f'first is {missing[0]}; add the labels or choose others by --match'
        )
    return tuple((path, labels[path.stem]) for path in images)
