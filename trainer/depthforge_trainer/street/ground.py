# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The ground: a road plane at y = 0, a pavement plane at kerb height, and what is on them."""

from __future__ import annotations

import functools
import itertools

from depthforge_trainer.street.camera import Float32Array, PAVEMENT, ROAD, TREE, Uint8Array
from depthforge_trainer.street.scene import SideStreet, Street
import numpy as np
import numpy.typing as npt

HALF_WIDTH_M = 24.0
"""The map of materials covers this much on either side; beyond, its edge goes on."""
CELL_LATERAL_M = 0.04
CELL_S_M = 0.08
_KERB_STEP_M = 6.0

ASPHALT, WHITE, YELLOW, REPAIR, IRON, PAVING, STONE, GRASS = range(8)
MATERIAL_LABEL = np.array([ROAD] * 5 + [PAVEMENT] * 2 + [TREE], np.uint8)
MATERIAL_TILE = np.array([0, 0, 0, 0, 3, 1, 3, 2], np.int32)
"""Index into bank.ground_tiles() per material."""

Line = tuple[tuple[float, float], tuple[float, float]]


def material_colors(street: Street) -> Float32Array:
    """Linear albedo of the materials: (8, 3) float32."""
    asphalt, paving = np.array(street.asphalt), np.array(street.paving)
    display = np.array(
        [
            asphalt,
            (0.72, 0.72, 0.7),
            (0.62, 0.55, 0.3),
            asphalt * 0.82,
            (0.2, 0.19, 0.18),
            paving,
            paving * 1.12,
            (0.36, 0.41, 0.22),
        ]
    )
    return (display**2.2).astype(np.float32)


def _gaps(street: Street, side: int) -> list[SideStreet]:
    return sorted(
        (one for one in street.side_streets if one.side == side), key=lambda one: one.begin_m
    )


def kerb_lines(street: Street) -> list[Line]:
    """Ground lines ((x, z), (x, z)) of all kerbs: along the street and into side streets."""
    lines: list[Line] = []
    for side, edge_m in ((-1, street.left_m), (1, street.right_m)):
        begin_m = street.begin_m
        for gap in _gaps(street, side):
            lines += _kerb_run(street, begin_m, gap.begin_m, edge_m)
            for s_m in (gap.begin_m, gap.end_m):
                out = (street.x_m(s_m, side * HALF_WIDTH_M), s_m)
                lines.append(((street.x_m(s_m, edge_m), s_m), out))
            begin_m = gap.end_m
        lines += _kerb_run(street, begin_m, street.end_m, edge_m)
    return lines


def _kerb_run(street: Street, begin_m: float, end_m: float, edge_m: float) -> list[Line]:
    """Straight pieces that follow the street from begin_m to end_m at lateral edge_m."""
    if end_m <= begin_m:
        return []
    count = 1 if street.curvature_per_m == 0.0 else int((end_m - begin_m) / _KERB_STEP_M) + 1
    places = [begin_m + (end_m - begin_m) * index / count for index in range(count + 1)]
    points = [(street.x_m(s_m, edge_m), s_m) for s_m in places]
    return list(itertools.pairwise(points))


class _Canvas:
    """Paints rectangles in street coordinates on the map of materials."""

    def __init__(self, street: Street) -> None:
        rows = int((street.end_m - street.begin_m) / CELL_S_M)
        self.cells: Uint8Array = np.full(
            (rows, int(2 * HALF_WIDTH_M / CELL_LATERAL_M)), PAVING, np.uint8
        )
        self._begin_m = street.begin_m

    def fill(
        self, s_m: tuple[float, float], lateral_m: tuple[float, float], material: int
    ) -> None:
        """Paint the rectangle between two places along and two across."""
        rows = [max(round((value - self._begin_m) / CELL_S_M), 0) for value in s_m]
        columns = [max(round((value + HALF_WIDTH_M) / CELL_LATERAL_M), 0) for value in lateral_m]
        self.cells[rows[0] : rows[1], columns[0] : columns[1]] = material


@functools.lru_cache(maxsize=2)
def material_map(street: Street) -> Uint8Array:
    """
    Materials in cells of CELL_S_M by CELL_LATERAL_M: (rows, columns) uint8.

    Row 0 is at street.begin_m, column 0 at lateral -HALF_WIDTH_M.
    """
    canvas = _Canvas(street)
    whole = (street.begin_m, street.end_m + 1.0)
    left, right = street.left_m, street.right_m
    for side, edge in ((0, left), (1, right)):
        sign = 1 if side else -1
        verge, paving = street.verge_m[side], street.pavement_m[side]
        bands = ((0.3, STONE), (verge, GRASS), (paving, PAVING), (60.0, GRASS))
        start = abs(edge)
        for width, material in bands if street.marking_seed % 2 else bands[:3]:
            span = sorted((sign * start, sign * min(start + width, HALF_WIDTH_M + 1)))
            canvas.fill(whole, (span[0], span[1]), material)
            start += width
    canvas.fill(whole, (left, right), ASPHALT)
    for gap in street.side_streets:
        outer = gap.side * (HALF_WIDTH_M + 1)
        span = sorted((right if gap.side > 0 else left, outer))
        canvas.fill((gap.begin_m, gap.end_m), (span[0], span[1]), ASPHALT)
    _paint_marks(canvas, street)
    return canvas.cells


def _paint_marks(canvas: _Canvas, street: Street) -> None:
    """Repairs, manholes, centre and edge lines, stop lines and crossings."""
    rng = np.random.default_rng(street.marking_seed)
    left, right = street.left_m, street.right_m
    for _ in range(int(rng.integers(0, 12))):
        s_m, lateral = rng.uniform(street.begin_m, street.end_m), rng.uniform(left, right - 1.5)
        size = rng.uniform(0.5, 1.5)
        canvas.fill((s_m, s_m + rng.uniform(1, 14)), (lateral, lateral + size), REPAIR)
    for _ in range(int(rng.integers(2, 10))):
        s_m, lateral = rng.uniform(street.begin_m, street.end_m), rng.uniform(left, right - 0.6)
        canvas.fill((s_m, s_m + 0.6), (lateral, lateral + 0.6), IRON)
    period, dash = float(rng.choice([4.0, 6.0, 9.0])), float(rng.uniform(0.3, 0.6))
    whole = (street.begin_m, street.end_m)
    for line in _lane_lines(rng, left, right):
        for s_m in np.arange(street.begin_m, street.end_m, period):
            canvas.fill((s_m, s_m + dash * period), (line, line + 0.12), WHITE)
    edge = int(rng.integers(0, 4))
    if edge == 1:
        for offset in (0.25, 0.45):
            canvas.fill(whole, (left + offset, left + offset + 0.09), YELLOW)
            canvas.fill(whole, (right - offset - 0.09, right - offset), YELLOW)
    elif edge == 2:
        canvas.fill(whole, (left + 0.4, left + 0.52), WHITE)
        canvas.fill(whole, (right - 0.52, right - 0.4), WHITE)
    if rng.random() < 0.35:
        _paint_crossing(canvas, street, float(rng.uniform(8, 60)), bool(rng.random() < 0.6))
    if rng.random() < 0.3:
        _paint_box(canvas, rng, street)


def _lane_lines(rng: np.random.Generator, left: float, right: float) -> list[float]:
    """Lateral positions of dashed lines."""
    lanes = max(round((right - left) / 3.4), 1)
    width = (right - left) / lanes
    lines = [left + width * index for index in range(1, lanes)]
    return [line for line in lines if rng.random() < 0.85]


def _paint_crossing(canvas: _Canvas, street: Street, s_m: float, zebra: bool) -> None:
    if zebra:
        for lateral in np.arange(street.left_m + 0.3, street.right_m - 0.5, 1.1):
            canvas.fill((s_m, s_m + 3.0), (lateral, lateral + 0.55), WHITE)
    canvas.fill((s_m - 2.2, s_m - 1.8), (street.left_m, street.right_m), WHITE)


def _paint_box(canvas: _Canvas, rng: np.random.Generator, street: Street) -> None:
    """Arrows and letters, as blocks of paint."""
    lateral, s_m = rng.uniform(street.left_m + 1, street.right_m - 1.5), rng.uniform(6, 40)
    canvas.fill((s_m, s_m + 2.6), (lateral, lateral + 0.2), WHITE)
    for step in range(8):
        half = 0.45 - 0.05 * step
        center = lateral + 0.1
        s_step = s_m + 2.6 + 0.15 * step
        canvas.fill((s_step, s_step + 0.15), (center - half, center + half), WHITE)


def materials_at(
    street: Street, x_m: npt.NDArray[np.floating], z_m: npt.NDArray[np.floating]
) -> Uint8Array:
    """Material of ground points, any shape of world x and z in metres."""
    cells = material_map(street)
    lateral = x_m - (0.5 * street.curvature_per_m) * z_m * z_m
    column = ((lateral + HALF_WIDTH_M) * (1.0 / CELL_LATERAL_M)).astype(np.int32)
    row = ((z_m - street.begin_m) * (1.0 / CELL_S_M)).astype(np.int32)
    np.clip(column, 0, cells.shape[1] - 1, out=column)
    np.clip(row, 0, cells.shape[0] - 1, out=row)
    return cells[row, column]
