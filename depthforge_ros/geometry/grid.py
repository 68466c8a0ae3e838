# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Mask and metric depth -> a top-down grid of free and occupied cells.

The ground frame lies on the road below the camera: x forward, y left, z up (REP 103). Its x-y
plane is the road's, which the camera's height and pitch give; roll is 0.

Free cells are found from the cell: its centre is projected into the image, and it is free if the
pixel there has a drivable class. A far road has fewer rows than cells, so pixels alone would leave
gaps; and a cell behind an obstacle falls on the obstacle's pixels, so it stays unknown. Occupied
cells are found from the pixels, by height and by the depth that `contact` corrects. Occupied
outweighs free, and beside an occupied cell free ones are unknown: vehicles overhang the road.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import math
from typing import Any

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.contact import GroundContact
from depthforge_ros.geometry.projection import Projector
from depthforge_ros.labels import DRIVABLE, LabelSpace, OTHER_GROUND, SKY
import numpy as np
import numpy.typing as npt

UNKNOWN, FREE, OCCUPIED = -1, 0, 100
"""Values of nav_msgs/OccupancyGrid."""
MIN_PIXELS = 2
"""Fewer pixels do not make a cell occupied: at edges depth is blurred."""
MAX_CELLS = 4_000_000


@dataclass(frozen=True)
class GridShape:
    """Cells ahead of the camera, and what counts as an obstacle."""

    resolution_m: float = 0.2
    length_m: float = 40.0
    """From below the camera forward."""
    width_m: float = 40.0
    """Half to each side."""
    min_height_m: float = 0.3
    """Above the road; lower pixels are no obstacle."""
    max_height_m: float = 2.5
    """Higher ones are passed below."""
    margin_m: float = 0.4
    """Free cells nearer than this to an occupied one are unknown."""
    decay_s: float = 0.0
    """How long a cell keeps its value while it is not seen."""

    def __post_init__(self) -> None:
        if not self.min_height_m < self.max_height_m:
            raise UserError(
                f'grid heights are {self.min_height_m} to {self.max_height_m} m; '
                'grid_min_height_m must be below grid_max_height_m'
            )
        if not 1 <= self.rows * self.columns <= MAX_CELLS:
            raise UserError(
                f'the grid has {self.rows} x {self.columns} cells; allowed are 1 to '
                f'{MAX_CELLS}; choose another grid_resolution_m'
            )

    @property
    def columns(self) -> int:
        """Cells along x."""
        return round(self.length_m / self.resolution_m)

    @property
    def rows(self) -> int:
        """Cells along y."""
        return round(self.width_m / self.resolution_m)


def class_names(text: str, space: LabelSpace, *, parameter: str) -> tuple[str, ...]:
    """Split names with commas between them; UserError for one that the label space lacks."""
    names = tuple(name.strip() for name in text.split(',') if name.strip())
    for name in names:
        if name not in space.classes:
            raise UserError(
                f'parameter {parameter}: class {name!r} was given, the model has '
                f'{", ".join(space.classes)}'
            )
    return names


def free_classes(space: LabelSpace) -> tuple[str, ...]:
    """Return the drivable classes of a label space."""
    return tuple(name for name in space.classes if name in DRIVABLE)


def occupied_classes(space: LabelSpace, free: Iterable[str]) -> tuple[str, ...]:
    """Return all classes that stand above the road."""
    others = {*free, *OTHER_GROUND, *SKY}
    return tuple(name for name in space.classes if name not in others)


def ground_classes(
    space: LabelSpace, free: Iterable[str], occupied: Iterable[str]
) -> tuple[str, ...]:
    """Return all classes that lie flat, on which others stand."""
    flat = {*free, *OTHER_GROUND} - {*occupied}
    return tuple(name for name in space.classes if name in flat)


@dataclass(frozen=True)
class GridClasses:
    """Train ids by what they mean for the grid."""

    free: tuple[int, ...]
    ground: tuple[int, ...]
    """Free ones and others that lie flat."""
    occupied: tuple[int, ...]

    @classmethod
    def of(
        cls, space: LabelSpace, *, free: Iterable[str] = (), occupied: Iterable[str] = ()
    ) -> GridClasses:
        """Choose by name; without names those that drive, and those that stand."""
        free = tuple(free) or free_classes(space)
        occupied = tuple(occupied) or occupied_classes(space, free)
        ground = ground_classes(space, free, occupied)
        return cls(*(tuple(map(space.classes.index, names)) for names in (free, ground, occupied)))


def optical_from_ground(*, height_m: float, pitch_rad: float) -> npt.NDArray[np.float64]:
    """Return the transform (4, 4) of points of the ground frame into the optical frame."""
    sin, cos = math.sin(pitch_rad), math.cos(pitch_rad)
    return np.array(
        [
            [0.0, -1.0, 0.0, 0.0],
            [-sin, 0.0, -cos, cos * height_m],
            [cos, 0.0, -sin, sin * height_m],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


class GridBuilder:
    """Makes the grid of one camera, frame by frame."""

    def __init__(
        self,
        camera: Camera,
        rays: npt.NDArray[np.float32],
        *,
        shape: GridShape,
        height_m: float,
        pitch_rad: float,
        rectified: bool,
        classes: GridClasses,
    ) -> None:
        """`rays` (H, W, 2) are the camera's, `height_m` is its height above the road."""
        self.shape = shape
        self._height_m = height_m
        self._is_free_id = _table(classes.free)
        self._is_occupied_id = _table(classes.occupied)
        sin, cos = math.sin(pitch_rad), math.cos(pitch_rad)
        # Of a pixel at depth 1: what it lies ahead, to the left and below the camera.
        self._ahead = np.ascontiguousarray(cos - sin * rays[..., 1], np.float32).ravel()
        self._left = np.ascontiguousarray(-rays[..., 0]).ravel()
        below = np.ascontiguousarray(cos * rays[..., 1] + sin, np.float32)
        self._below = below.ravel()
        self._contact = GroundContact(
            below, height_m=height_m, ground_ids=classes.ground, standing_ids=classes.occupied
        )
        self._seen, self._pixels = self._cells_in_view(
            camera, rays, optical_from_ground(height_m=height_m, pitch_rad=pitch_rad), rectified
        )
        reach = round(shape.margin_m / shape.resolution_m)
        self._margin = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
        self._cells = np.full(shape.rows * shape.columns, UNKNOWN, np.int8)
        self._seen_s = np.full(shape.rows * shape.columns, -np.inf)

    def __call__(
        self,
        depth_m: npt.NDArray[np.float32],
        labels: npt.NDArray[np.unsignedinteger[Any]],
        *,
        stamp_s: float,
    ) -> npt.NDArray[np.int8]:
        """
        Return cells (rows, columns), row 0 furthest right, column 0 below the camera.

        `depth_m` and `labels` are (H, W); pixels without finite depth occupy nothing.
        """
        cells = np.full(len(self._cells), UNKNOWN, np.int8)
        is_free = self._is_free_id[labels.ravel()[self._pixels]]
        cells[self._seen[is_free]] = FREE
        is_occupied = self._occupied(self._contact(depth_m, labels).ravel(), labels.ravel())
        cells[self._beside(is_occupied) & (cells == FREE)] = UNKNOWN
        cells[is_occupied] = OCCUPIED
        if self.shape.decay_s:
            cells = self._remembered(cells, stamp_s)
        return cells.reshape(self.shape.rows, self.shape.columns)

    def _cells_in_view(
        self,
        camera: Camera,
        rays: npt.NDArray[np.float32],
        transform: npt.NDArray[np.float64],
        rectified: bool,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the cells whose centres the camera sees, and the pixel of each."""
        shape = self.shape
        x = (np.arange(shape.columns) + 0.5) * shape.resolution_m
        y = (np.arange(shape.rows) + 0.5 - shape.rows / 2) * shape.resolution_m
        ahead, left = (plane.ravel() for plane in np.meshgrid(x, y))
        ground = np.stack([ahead, left, np.zeros(len(ahead)), np.ones(len(ahead))])
        return Projector(camera, rays, rectified=rectified)((transform @ ground)[:3])

    def _occupied(
        self, depth_m: npt.NDArray[np.float32], labels: npt.NDArray[np.unsignedinteger[Any]]
    ) -> npt.NDArray[np.bool_]:
        shape = self.shape
        # Depth that is not finite fails one of the comparisons.
        with np.errstate(invalid='ignore'):
            above_m = self._height_m - depth_m * self._below
            stands = (above_m > shape.min_height_m) & (above_m < shape.max_height_m)
        taken = np.flatnonzero(stands & self._is_occupied_id[labels])
        z = depth_m[taken] / np.float32(shape.resolution_m)
        column = np.floor(z * self._ahead[taken]).astype(np.int64)
        row = np.floor(z * self._left[taken] + np.float32(shape.rows / 2)).astype(np.int64)
        inside = (column >= 0) & (column < shape.columns) & (row >= 0) & (row < shape.rows)
        cell = row[inside] * shape.columns + column[inside]
        return np.asarray(np.bincount(cell, minlength=len(self._cells)) >= MIN_PIXELS)

    def _beside(self, is_occupied: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Mark occupied cells, and those within the margin of one."""
        shape = self.shape
        plane = is_occupied.reshape(shape.rows, shape.columns).astype(np.uint8)
        return np.asarray(cv2.dilate(plane, self._margin) > 0).ravel()

    def _remembered(self, cells: npt.NDArray[np.int8], stamp_s: float) -> npt.NDArray[np.int8]:
        """Fill cells that this frame does not see with what earlier ones saw."""
        is_seen = cells != UNKNOWN
        age_s = stamp_s - self._seen_s
        # A stamp that goes back is another drive.
        is_kept = ~is_seen & (age_s >= 0.0) & (age_s < self.shape.decay_s)
        self._cells = np.where(is_kept, self._cells, cells)
        self._seen_s = np.where(is_seen, stamp_s, self._seen_s)
        self._seen_s[~is_seen & ~is_kept] = -np.inf
        return self._cells.copy()


def _table(ids: Iterable[int]) -> npt.NDArray[np.bool_]:
    table = np.zeros(2**16, bool)
    table[list(ids)] = True
    return table
