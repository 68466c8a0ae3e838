# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Z-buffered rasteriser of parallelograms, for the camera and for the sun's shadow map.

A parallelogram corner + u * right + v * down maps to samples q = (x, y, 1) so that u * w, v * w
and nearness are linear in q: for the camera w is nearness is 1 / depth, for the sun w is 1 and
nearness falls with the distance along the light.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from depthforge_trainer.street.atlas import LEVELS, Atlas, Int32Array
from depthforge_trainer.street.camera import Camera, Float32Array, Float64Array
from depthforge_trainer.street.quads import Quads

NEAR_M = 0.25
_OPAQUE_ALPHA = 128


@dataclass(frozen=True)
class Buffer:
    """What each sample sees: nearness, quad index (-1 for nothing) and texture place.

    All (H, W); nearness, u, v float32, quad int32. The rasteriser writes into the arrays.
    """

    nearness: Float32Array
    quad: Int32Array
    u: Float32Array
    v: Float32Array

    @classmethod
    def empty(cls, height: int, width: int, nearness: float) -> Buffer:
        """A buffer that nothing was drawn to."""
        return cls(
            np.full((height, width), nearness, np.float32),
            np.full((height, width), -1, np.int32),
            np.zeros((height, width), np.float32),
            np.zeros((height, width), np.float32),
        )


@dataclass(frozen=True)
class Projection:
    """Linear maps of N parallelograms and their boxes on the sample grid.

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
        np.concatenate([inverse, inverse[:, 2:]], 1).astype(np.float32), boxes,
        np.argsort(nearest), (_texel_size(quads, atlas) / matrix[0, 0]).astype(np.float32),
    )


def project_sun(
    quads: Quads, axes: Float64Array, center_m: Float64Array, size: int, sample_m: float,
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
        rows.astype(np.float32), boxes, np.argsort(corners[..., 2].min(1)),
        density.astype(np.float32),
    )


def rasterise(buffer: Buffer, projection: Projection, quads: Quads, atlas: Atlas) -> None:
    """Draw all parallelograms into the buffer, nearest first."""
    height, width = buffer.quad.shape
    xs = np.arange(width, dtype=np.float32)
    ys = np.arange(height, dtype=np.float32)[:, None]
    holes = atlas.has_holes[quads.texture]
    boxes = projection.boxes
    for index in projection.order:
        x0, y0, x1, y1 = boxes[index]
        if x1 <= x0 or y1 <= y0:
            continue
        linear = projection.rows[index]
        x, y = xs[x0:x1], ys[y0:y1]
        nearness = linear[3, 0] * x + (linear[3, 1] * y + linear[3, 2])
        mask = nearness > buffer.nearness[y0:y1, x0:x1]
        if not mask.any():
            continue
        w = linear[2, 0] * x + (linear[2, 1] * y + linear[2, 2])
        for row in (0, 1):
            share = linear[row, 0] * x + (linear[row, 1] * y + linear[row, 2])
            mask &= share >= 0
            mask &= share < w
        inside = np.flatnonzero(mask)
        if not inside.size:
            continue
        rows, columns = np.divmod(inside, x1 - x0)
        rows += y0
        columns += x0
        _write(buffer, projection, quads, atlas, int(index), rows, columns, bool(holes[index]))


def _write(
    buffer: Buffer, projection: Projection, quads: Quads, atlas: Atlas, index: int,
    rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], holes: bool,
) -> None:
    """Write one quad to the samples (rows, columns), without its holes."""
    linear = projection.rows[index]
    u, v, w, nearness = (
        linear[row, 0] * columns.astype(np.float32)
        + (linear[row, 1] * rows.astype(np.float32) + linear[row, 2])
        for row in range(4)
    )
    u /= w
    v /= w
    u *= quads.repeats[index, 0]
    v *= quads.repeats[index, 1]
    if holes:
        which = np.full(len(u), quads.texture[index], np.int32)
        level = mip_level(projection.density[index] / w)
        solid = atlas.alpha[atlas.index(which, level, u, v)] >= _OPAQUE_ALPHA
        rows, columns, u, v, nearness = (
            rows[solid], columns[solid], u[solid], v[solid], nearness[solid]
        )
    flat = rows * buffer.quad.shape[1] + columns
    buffer.nearness.reshape(-1)[flat] = nearness
    buffer.quad.reshape(-1)[flat] = index
    buffer.u.reshape(-1)[flat] = u
    buffer.v.reshape(-1)[flat] = v


def mip_level(texels_per_sample: Float32Array) -> Int32Array:
    """Level whose texels are about as large as the samples: int32, same shape."""
    _, exponent = np.frexp(texels_per_sample)
    result: Int32Array = np.clip(exponent - 1, 0, LEVELS - 1).astype(np.int32)
    return result
