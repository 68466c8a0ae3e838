# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Class names and colours: the only place where they are written down."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from depthforge_ros.errors import UserError
import numpy as np
import numpy.typing as npt

UNLABELLED = 255
"""Train id of pixels without a class, in masks of 8 bits and in ground truth."""
MAX_CLASSES = 65535
MASK_ENCODINGS = {1: 'mono8', 2: '16UC1'}
"""Of image messages, by bytes per pixel."""


@dataclass(frozen=True)
class LabelSpace:
    """An ordered set of classes; the index of a class is its train id."""

    name: str
    classes: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    """RGB in [0, 255], one per class."""

    def __post_init__(self) -> None:
        if not self.classes or len(self.classes) != len(self.colors):
            raise UserError(
                f'label space {self.name!r}: {len(self.classes)} classes and {len(self.colors)} '
                'colours; as many of each and at least one are needed'
            )
        if len(self.classes) > MAX_CLASSES:
            raise UserError(
                f'label space {self.name!r} has {len(self.classes)} classes, at most '
                f'{MAX_CLASSES} fit a mask; merge classes'
            )

    def __len__(self) -> int:
        return len(self.classes)

    def ids(self, names: Collection[str]) -> tuple[int, ...]:
        """Return the train ids of the classes that are among `names`."""
        return tuple(index for index, name in enumerate(self.classes) if name in names)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of masks: one byte per pixel, two above 255 classes; see `unlabelled`."""
        return np.dtype(np.uint8 if len(self) <= UNLABELLED else np.uint16)

    def require_8_bit(self) -> None:
        """Refuse classes that ground truth has no ids for, which is of 8 bits."""
        if len(self) > UNLABELLED:
            raise UserError(
                f'label space {self.name!r} has {len(self)} classes, ground truth of 8 bits has '
                f'at most {UNLABELLED}; evaluate a model of fewer classes'
            )

    def require_mono8(self) -> None:
        """Refuse classes whose mask has two bytes per pixel, which costmap layers misread."""
        if self.dtype != np.uint8:
            raise UserError(
                f'label space {self.name!r} has {len(self)} classes, a mono8 mask has at most '
                f'{UNLABELLED}; set pixel_aligned to false, or run a model of fewer classes'
            )

    @property
    def palette(self) -> npt.NDArray[np.uint8]:
        """Colours as uint8 (256 or 65536, 3) RGB; ids without a class are black."""
        palette = np.zeros((np.iinfo(self.dtype).max + 1, 3), np.uint8)
        palette[: len(self.colors)] = self.colors
        return palette

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and strings, for metadata."""
        return {
            'name': self.name,
            'classes': list(self.classes),
            'colors': [list(color) for color in self.colors],
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> LabelSpace:
        """Build from what `to_json` gave."""
        colors = tuple((int(r), int(g), int(b)) for r, g, b in fields['colors'])
        return cls(name=str(fields['name']), classes=tuple(fields['classes']), colors=colors)


CITYSCAPES = LabelSpace(
    name='cityscapes',
    classes=(
        'road', 'sidewalk', 'building', 'wall', 'fence', 'pole', 'traffic light', 'traffic sign',
        'vegetation', 'terrain', 'sky', 'person', 'rider', 'car', 'truck', 'bus', 'train',
        'motorcycle', 'bicycle',
    ),
    colors=(
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153),
        (153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152),
        (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100),
        (0, 80, 100), (0, 0, 230), (119, 11, 32),
    ),
)  # fmt: skip

CAMVID = LabelSpace(
    name='camvid',
    classes=(
        'sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign', 'fence', 'car',
        'pedestrian', 'bicyclist',
    ),
    colors=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222),
        (128, 128, 0), (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
)  # fmt: skip

CAMVID_32 = LabelSpace(
    name='camvid_32',
    classes=(
        'Animal', 'Archway', 'Bicyclist', 'Bridge', 'Building', 'Car', 'CartLuggagePram', 'Child',
        'Column_Pole', 'Fence', 'LaneMkgsDriv', 'LaneMkgsNonDriv', 'Misc_Text',
        'MotorcycleScooter', 'OtherMoving', 'ParkingBlock', 'Pedestrian', 'Road', 'RoadShoulder',
        'Sidewalk', 'SignSymbol', 'Sky', 'SUVPickupTruck', 'TrafficCone', 'TrafficLight', 'Train',
        'Tree', 'Truck_Bus', 'Tunnel', 'VegetationMisc', 'Wall',
    ),
    colors=(
        (64, 128, 64), (192, 0, 128), (0, 128, 192), (0, 128, 64), (128, 0, 0), (64, 0, 128),
        (64, 0, 192), (192, 128, 64), (192, 192, 128), (64, 64, 128), (128, 0, 192), (192, 0, 64),
        (128, 128, 64), (192, 0, 192), (128, 64, 64), (64, 192, 128), (64, 64, 0), (128, 64, 128),
        (128, 128, 192), (0, 0, 192), (192, 128, 128), (128, 128, 128), (64, 128, 192),
        (0, 0, 64), (0, 64, 64), (192, 64, 128), (128, 128, 0), (192, 128, 192), (64, 0, 64),
        (192, 192, 0), (64, 192, 0),
    ),
)  # fmt: skip
"""All that CamVid publishes, in its order; the 32nd, Void (black), is no class."""

IDD_LITE = LabelSpace(
    name='idd_lite',
    classes=(
        'drivable', 'non-drivable', 'living thing', 'vehicle', 'roadside object', 'far object',
        'sky',
    ),
    colors=(
        (128, 64, 128), (244, 35, 232), (220, 20, 60), (0, 0, 142), (220, 220, 0), (70, 70, 70),
        (70, 130, 180),
    ),
)  # fmt: skip

DRIVABLE = ('road', 'Road', 'LaneMkgsDriv', 'drivable')
"""Classes of these label spaces that a vehicle drives on."""
OTHER_GROUND = (
    'sidewalk', 'pavement', 'terrain', 'Sidewalk', 'RoadShoulder', 'LaneMkgsNonDriv',
    'non-drivable',
)  # fmt: skip
"""Others that lie flat."""
SKY = ('sky', 'Sky')

LABEL_SPACES: Mapping[str, LabelSpace] = {
    space.name: space for space in (CAMVID, CAMVID_32, CITYSCAPES, IDD_LITE)
}

CAMVID_FROM_CITYSCAPES = np.full(256, UNLABELLED, np.uint8)
"""Look-up table uint8 (256,): CamVid id of a Cityscapes train id."""
CAMVID_FROM_CITYSCAPES[:19] = (3, 4, 1, 1, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 10, 10)

CAMVID_FROM_CAMVID_32 = np.full(256, UNLABELLED, np.uint8)
"""Likewise of one of CamVid's 32, as SegNet groups them (arXiv 1511.00561)."""
CAMVID_FROM_CAMVID_32[:31] = (
    9, 1, 10, 1, 1, 8, 9, 9, 2, 7, 3, 3, 6, 10, 8, 4, 9, 3, 4, 4, 6, 0, 8, 2, 6, 8, 5, 8, 1, 5, 1,
)  # fmt: skip

IDD_LITE_FROM_CITYSCAPES = np.full(256, UNLABELLED, np.uint8)
"""Likewise IDD Lite's id of a Cityscapes train id."""
IDD_LITE_FROM_CITYSCAPES[:19] = (0, 1, 5, 4, 4, 4, 4, 4, 5, 1, 6, 2, 2, 3, 3, 3, 3, 3, 3)

COARSER: Mapping[tuple[str, str], npt.NDArray[np.uint8]] = {
    ('cityscapes', 'camvid'): CAMVID_FROM_CITYSCAPES,
    ('cityscapes', 'idd_lite'): IDD_LITE_FROM_CITYSCAPES,
    ('camvid_32', 'camvid'): CAMVID_FROM_CAMVID_32,
}
"""Names of a label space and of one that it can be mapped to -> look-up table."""


Group = tuple[int, ...]
"""Train ids of a finer label space that one class of a coarser one stands for."""


def groups(fine: LabelSpace, coarse: LabelSpace) -> tuple[Group, ...]:
    """Train ids of `fine` for each class of `coarse`; UserError where they are not known."""
    if fine == coarse:
        return tuple((index,) for index in range(len(fine)))
    if (fine.name, coarse.name) in COARSER:
        table = COARSER[fine.name, coarse.name][: len(fine)]
        return tuple(
            tuple(np.flatnonzero(table == index).tolist()) for index in range(len(coarse))
        )
    if (fine.name, coarse.name) == ('cityscapes', 'camvid_32'):
        return CITYSCAPES_OF_CAMVID_32
    raise UserError(
        f'the classes of {coarse.name} are no groups of those of {fine.name}; choose one of '
        f'{", ".join(sorted({one for pair in COARSER for one in pair}))}'
    )


CITYSCAPES_OF_CAMVID_32: tuple[Group, ...] = (
    (), (2,), (12, 18), (2,), (2,), (13,), (), (11,), (5,), (4,), (0,), (0,), (2, 7), (12, 17),
    (13, 14, 15, 16, 17, 18), (1,), (11,), (0,), (0, 1, 9), (1,), (7,), (10,), (13, 14), (), (6,),
    (16,), (8,), (14, 15), (2,), (8, 9), (3,),
)  # fmt: skip
"""Cityscapes' train ids for each of CamVid's 31 classes; none: what Cityscapes leaves out."""


def unlabelled(dtype: npt.DTypeLike) -> int:
    """Return the train id of pixels without a class: the highest, 255 or 65535."""
    return int(np.iinfo(np.dtype(dtype)).max)


def pixels_of(
    labels: npt.NDArray[np.unsignedinteger[Any]], ids: Iterable[int]
) -> npt.NDArray[np.bool_]:
    """Mark the pixels of some train ids, in the shape of `labels`."""
    marked = np.zeros(labels.shape, np.bool_)
    for one in ids:
        marked |= labels == one
    return marked


def colorize(
    labels: npt.NDArray[np.unsignedinteger[Any]], space: LabelSpace
) -> npt.NDArray[np.uint8]:
    """Paint train ids (H, W) with the class colours: RGB uint8 (H, W, 3)."""
    return np.asarray(space.palette[labels])
