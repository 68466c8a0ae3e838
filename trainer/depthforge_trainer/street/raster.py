# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Z-buffered rasteriser of parallelograms, for the camera and for the sun's shadow map.

A parallelogram corner + u * right + v * down maps to samples q = (x, y, 1) so that u * w, v * w
and nearness are linear in q: for the camera w is nearness is 1 / depth, for the sun w is 1 and
nearness falls with the distance along the light.
"""

from __future__ import annotations

from dataclasses import dataclass
import itertools

from depthforge_trainer.street.atlas import Atlas, Int32Array, LEVELS
from depthforge_trainer.street.camera import Camera, Float32Array, Float64Array
from depthforge_trainer.street.quads import Quads
import numpy as np
import numpy.typing as npt

NEAR_M = 0.25
_OPAQUE_ALPHA = 128
_BATCH = 40000
"""Samples drawn at once: few enough for the cache, many enough for small things."""


@dataclass(frozen=True)
class Buffer:
    """
    What each sample sees: nearness, quad index (-1 for nothing) and texture place.

    All (H, W); nearness, u, v float32, quad int32. The rasteriser writes into the arrays.
    """

    nearness: Float32Array
    quad: Int32Array
    u: Float32Array
    v: Float32Array

    @classmethod
    def empty(cls, height: int, width: int, nearness: float) -> Buffer:
        """Return a buffer that nothing was drawn to."""
        return cls(
            np.full((height, width), nearness, np.float32),
            np.full((height, width), -1, np.int32),
            np.zeros((height, width), np.float32),
            np.zeros((height, width), np.float32),
        )


@dataclass(frozen=True)
class Projection:
    """
    Linear maps of N parallelograms and their boxes on the sample grid.

    rows: (N, 4, 3) float32, maps q to u * w, v * w, w, nearness. boxes: (N, 4) int32 as
    x0, y0, x1, y1, empty where nothing is visible. order: indices, nearest first.
    density: (N,) float32, texels per sample at unit w.
    """

    rows: Float32Array
    boxes: Int32Array
    order: npt.NDArray[np.int64]
    density: Float32Array


def _texel_size(quads: Quads, atlas: Atlas) -> Float64Array:
    """Texels per metre of each quad: (N,), the geometric mean of both directions."""
    across = atlas.width[quads.texture, 0] * quads.repeats[:, 0]
    along = atlas.height[quads.texture, 0] * quads.repeats[:, 1]
    area = np.linalg.norm(quads.right, axis=1) * np.linalg.norm(quads.down, axis=1)
    result: Float64Array = np.sqrt(across * along / np.maximum(area, 1e-6))
    return result


def _boxes(
    points: Float64Array, valid: npt.NDArray[np.bool_], height: int, width: int
) -> Int32Array:
    """Sample boxes (N, 4) around the valid ones of points (N, K, 2)."""
    low = np.where(valid[..., None], points, np.inf).min(1)
    high = np.where(valid[..., None], points, -np.inf).max(1)
    limit = np.array([width, height], np.float64)
    low = np.clip(np.floor(low), 0, limit)
    high = np.clip(np.ceil(high) + 1, 0, limit)
    return np.concatenate([low, high], 1).astype(np.int32)


def project(quads: Quads, camera: Camera, scale: int, atlas: Atlas) -> Projection:
    """Project for a camera with scale samples per pixel in both directions."""
    rotation, matrix = camera.rotation(), camera.matrix(scale)
    base = (quads.corner - camera.position_m) @ rotation.T
    right, down = quads.right @ rotation.T, quads.down @ rotation.T
    maps = matrix @ np.stack([right, down, base], 2)
    size = np.linalg.norm(right, axis=1) * np.linalg.norm(down, axis=1)
    determinant = np.linalg.det(maps)
    flat = np.abs(determinant) <= 1e-4 * size * matrix[0, 0]
    maps[flat] = np.eye(3)
    inverse = np.linalg.inv(maps)
    corners = np.stack([base, base + right, base + right + down, base + down], 1)
    following = np.roll(corners, -1, 1)
    z, z_next = corners[..., 2], following[..., 2]
    with np.errstate(divide='ignore', invalid='ignore'):
        share = (NEAR_M - z) / (z_next - z)
        cut = corners + share[..., None] * (following - corners)
    crosses = (z < NEAR_M) != (z_next < NEAR_M)
    everything = np.concatenate([corners, np.where(crosses[..., None], cut, 1.0)], 1)
    valid = np.concatenate([z >= NEAR_M, crosses], 1) & ~flat[:, None]
    with np.errstate(divide='ignore', invalid='ignore'):
        flat_points = everything @ matrix.T
        points = flat_points[..., :2] / flat_points[..., 2:]
    boxes = _boxes(points, valid, camera.height * scale, camera.width * scale)
    nearest = np.where(valid, everything[..., 2], np.inf).min(1)
    return Projection(
        np.concatenate([inverse, inverse[:, 2:]], 1).astype(np.float32),
        boxes,
        np.argsort(nearest),
        (_texel_size(quads, atlas) / matrix[0, 0]).astype(np.float32),
    )


def project_sun(
    quads: Quads,
    axes: Float64Array,
    center_m: Float64Array,
    size: int,
    sample_m: float,
    atlas: Atlas,
) -> Projection:
    """Project along the light; rows of axes (3, 3) are right, up and the way of the light."""
    base = (quads.corner - center_m) @ axes.T
    right, down = quads.right @ axes.T, quads.down @ axes.T
    maps = np.zeros((len(base), 3, 3))
    maps[:, 2, 2] = 1.0
    for column, part in enumerate((right, down, base)):
        maps[:, :2, column] = part[:, :2] / sample_m
    maps[:, :2, 2] += size / 2
    flat = np.abs(np.linalg.det(maps)) < 1e-3
    maps[flat] = np.eye(3)
    inverse = np.linalg.inv(maps)
    depth = np.stack([right[:, 2], down[:, 2], base[:, 2]], 1)
    nearness = -(depth[:, None, :] @ inverse)
    rows = np.concatenate([inverse, nearness], 1)
    corners = np.stack([base, base + right, base + right + down, base + down], 1)
    points = corners[..., :2] / sample_m + size / 2
    valid = np.broadcast_to(~flat[:, None], points.shape[:2])
    boxes = _boxes(points, valid, size, size)
    density = _texel_size(quads, atlas) * sample_m
    return Projection(
        rows.astype(np.float32),
        boxes,
        np.argsort(corners[..., 2].min(1)),
        density.astype(np.float32),
    )


@dataclass(frozen=True)
class _Spans:
    """
    The samples of all parallelograms, as runs on rows of the grid in drawing order.

    quad, y, begin, count: (R,) int32; the run covers columns begin to begin + count.
    slope, base: (4, R) float32; a row of Projection.rows at column x is slope * x + base.
    """

    quad: Int32Array
    y: Int32Array
    begin: Int32Array
    count: Int32Array
    slope: Float32Array
    base: Float32Array


def _spans(projection: Projection) -> _Spans:
    boxes = projection.boxes[projection.order]
    heights = np.where(boxes[:, 2] > boxes[:, 0], np.maximum(boxes[:, 3] - boxes[:, 1], 0), 0)
    rank = np.repeat(np.arange(len(boxes)), heights)
    quad = projection.order[rank].astype(np.int32)
    starts = boxes[:, 1] - (np.cumsum(heights) - heights)
    y = (np.arange(len(rank)) + starts[rank]).astype(np.int32)
    linear = projection.rows[quad]
    slope = np.ascontiguousarray(linear[:, :, 0].T)
    base = np.ascontiguousarray((linear[:, :, 1] * y[:, None] + linear[:, :, 2]).T, np.float32)
    low = boxes[rank, 0].astype(np.float32)
    high = boxes[rank, 2].astype(np.float32)
    for row in (0, 1):
        for edge_slope, edge_base in (
            (slope[row], base[row]),
            (slope[2] - slope[row], base[2] - base[row]),
        ):
            with np.errstate(divide='ignore', invalid='ignore'):
                cross = np.ceil(-edge_base / edge_slope)
            low = np.where(edge_slope > 0, np.maximum(low, cross), low)
            high = np.where(edge_slope < 0, np.minimum(high, cross), high)
            high[(edge_slope == 0) & (edge_base < 0)] = -1.0
    some = np.flatnonzero(high > low)
    begin = low[some].astype(np.int32)
    return _Spans(
        quad[some],
        y[some],
        begin,
        high[some].astype(np.int32) - begin,
        np.ascontiguousarray(slope[:, some]),
        np.ascontiguousarray(base[:, some]),
    )


def rasterise(buffer: Buffer, projection: Projection, quads: Quads, atlas: Atlas) -> None:
    """Draw all parallelograms into the buffer, nearest first."""
    spans = _spans(projection)
    total = np.cumsum(spans.count)
    if not total.size:
        return
    cuts = np.searchsorted(total, np.arange(_BATCH, int(total[-1]), _BATCH))
    bounds = np.unique(np.concatenate([[0], cuts, [len(total)]]))
    for first, last in itertools.pairwise(bounds):
        _draw(buffer, projection, quads, atlas, spans, int(first), int(last))


def _draw(
    buffer: Buffer,
    projection: Projection,
    quads: Quads,
    atlas: Atlas,
    spans: _Spans,
    first: int,
    last: int,
) -> None:
    """Draw the runs from first to last, which may belong to several parallelograms."""
    count = spans.count[first:last]
    before = np.cumsum(count) - count
    run = np.repeat(np.arange(first, last), count)
    x = np.arange(len(run)) + np.repeat(spans.begin[first:last] - before, count)
    flat = x + spans.y.take(run) * buffer.quad.shape[1]
    nearness = spans.slope[3].take(run) * x.astype(np.float32) + spans.base[3].take(run)
    depths = buffer.nearness.reshape(-1)
    kept = np.flatnonzero(nearness > depths.take(flat))
    run, flat, nearness = run.take(kept), flat.take(kept), nearness.take(kept)
    column = x.take(kept).astype(np.float32)
    quad = spans.quad.take(run)
    u, v, w = (spans.slope[row].take(run) * column + spans.base[row].take(run) for row in range(3))
    size = 1.0 / w
    repeats = quads.repeats.take(quad, axis=0)
    u *= size * repeats[:, 0]
    v *= size * repeats[:, 1]
    texture = quads.texture.take(quad)
    solid = np.ones(len(quad), np.bool_)
    holed = np.flatnonzero(atlas.has_holes.take(texture))
    if holed.size:
        level = mip_level((projection.density.take(quad) * size).take(holed))
        texel = atlas.index(texture.take(holed), level, u.take(holed), v.take(holed))
        solid[holed] = atlas.alpha.take(texel) >= _OPAQUE_ALPHA
        nearness[~solid] = -np.inf
    np.maximum.at(depths, flat, nearness)
    kept = np.flatnonzero(solid & (depths.take(flat) == nearness))
    flat = flat.take(kept)
    buffer.quad.reshape(-1)[flat] = quad.take(kept)
    buffer.u.reshape(-1)[flat] = u.take(kept)
    buffer.v.reshape(-1)[flat] = v.take(kept)


def mip_level(texels_per_sample: Float32Array) -> Int32Array:
    """Level whose texels are about as large as the samples: int32, same shape."""
    _, exponent = np.frexp(texels_per_sample)
    result: Int32Array = np.clip(exponent - 1, 0, LEVELS - 1, dtype=np.int32)
    return result
