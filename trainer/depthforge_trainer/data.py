# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Training samples: RGB images with train ids, from folders or from the street renderer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import fnmatch
from functools import partial
from pathlib import Path

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.labels import CAMVID_FROM_CITYSCAPES, UNLABELLED
from depthforge_trainer import street
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

Labels = npt.NDArray[np.uint8]
Rgb = npt.NDArray[np.uint8]
STREET_SIZE = (360, 480)
"""Height and width of rendered training views: CamVid's."""
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png')


@dataclass(frozen=True)
class Sample:
    """One image; labels are all 255 where there is no ground truth."""

    name: str
    rgb: Rgb
    """uint8 (H, W, 3)."""
    labels: Labels
    """uint8 (H, W), train ids, 255 unlabelled."""


@dataclass(frozen=True)
class Source:
    """Where samples come from, as a training configuration names it."""

    kind: str
    """`camvid`, `kitti_semantic` (mapped to CamVid's classes), `images` (no labels), `street`."""
    root: str = ''
    """Folder with images/ and labels/ (`images`: the folder of the images itself; `street`: where
    the rendered views are kept, so that they are rendered only once)."""
    exclude: str = ''
    """File names that match this pattern are left out."""
    count: int = 0
    """Number of rendered views (`street`), or the first so many files; 0 takes all."""


Loader = Callable[[], Sample]


def loaders(source: Source) -> list[Loader]:
    """One function per sample; reading happens when it is called."""
    if source.kind == 'street':
        _render_missing(Path(source.root), source.count)
    if source.kind not in _MAPPINGS:
        raise UserError(
            f'data kind {source.kind!r} is not known; choose one of {", ".join(_MAPPINGS)}'
        )
    root = Path(source.root)
    labelled = source.kind != 'images'
    folder = root / 'images' if labelled else root
    files = sorted(p for p in folder.glob('*') if p.suffix.lower() in IMAGE_SUFFIXES)
    if source.exclude:
        files = [path for path in files if not fnmatch.fnmatch(path.name, source.exclude)]
    if not files:
        raise UserError(
            f'no images in {folder} (excluded: {source.exclude or "nothing"}); expected '
            f'{", ".join(IMAGE_SUFFIXES)} files'
        )
    mapping = _MAPPINGS[source.kind]
    chosen = files[: source.count] if source.count else files
    label_folder = root / 'labels' if labelled else None
    return [partial(_read, path, label_folder, mapping) for path in chosen]


def _camvid_mapping() -> Labels:
    mapping = np.arange(256, dtype=np.uint8)
    mapping[11:] = UNLABELLED
    return mapping


_MAPPINGS = {
    'camvid': _camvid_mapping(),
    'kitti_semantic': CAMVID_FROM_CITYSCAPES,
    'street': np.arange(256, dtype=np.uint8),
    'images': np.full(256, UNLABELLED, np.uint8),
}


def _read(path: Path, label_folder: Path | None, mapping: Labels) -> Sample:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise UserError(f'{path} cannot be decoded as an image; remove or replace it')
    rgb = np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)
    if label_folder is None:
        return Sample(path.stem, rgb, np.full(rgb.shape[:2], UNLABELLED, np.uint8))
    label_path = label_folder / f'{path.stem}.png'
    labels = cv2.imread(str(label_path), cv2.IMREAD_UNCHANGED)
    if labels is None or labels.ndim != 2 or labels.dtype != np.uint8:
        raise UserError(f'{label_path} is missing or not an 8-bit single-channel PNG')
    if labels.shape != rgb.shape[:2]:
        raise UserError(
            f'{label_path} is {labels.shape[1]} x {labels.shape[0]} but its image is '
            f'{rgb.shape[1]} x {rgb.shape[0]}; they must be equal'
        )
    return Sample(path.stem, rgb, np.asarray(mapping[labels], np.uint8))


def _render_missing(root: Path, count: int) -> None:
    """Render the views of seeds 0 to count - 1 that are not in the folder yet."""
    for name in ('images', 'labels'):
        (root / name).mkdir(parents=True, exist_ok=True)
    missing = [s for s in range(count) if not (root / 'labels' / f'{s:06d}.png').is_file()]
    for seed in tqdm(missing, desc='render streets', unit='view', disable=not missing):
        frame = street.sample(seed, *STREET_SIZE)
        cv2.imwrite(str(root / 'images' / f'{seed:06d}.jpg'), frame.rgb[..., ::-1])
        cv2.imwrite(str(root / 'labels' / f'{seed:06d}.png'), frame.labels)
