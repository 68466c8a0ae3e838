# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the samples of a view see before any light falls on it: colours, gloss, own light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
from depthforge_trainer.street import bank
from depthforge_trainer.street.atlas import BLUE, GLOSS, GLOW, GREEN, LIT, RED, TINTED, Uint64Array
from depthforge_trainer.street.camera import Camera, Float32Array, SKY, Uint8Array
from depthforge_trainer.street.ground import (
    material_colors,
    MATERIAL_LABEL,
    MATERIAL_TILE,
    materials_at,
)
from depthforge_trainer.street.quads import Quads
from depthforge_trainer.street.raster import Buffer, mip_level, Projection
from depthforge_trainer.street.scene import Street
import numpy as np
import numpy.typing as npt

SAMPLES = 2
"""Samples per pixel in both directions; colours are averaged, labels and depth are not."""

_GROUND_TEXELS_PER_M = 70.0
_GRAIN_FADE_M = 14.0
_LOOK_CHANNELS = [RED, GREEN, BLUE, GLOSS]
_SHARE = np.arange(256, dtype=np.float32) / 255.0
_LINEAR_OR_SHARE = np.stack([_SHARE**2.2] * 3 + [_SHARE], 1).reshape(1, 256, 4).astype(np.float32)
_HASH = np.random.default_rng(7).random(1024).astype(np.float32)
_TENT = np.array([0.25, 0.5, 0.25], np.float32)
_ROAD_LABEL = MATERIAL_LABEL[0]


@dataclass(frozen=True)
class Rays:
    """World directions of unit depth as sums of a column part (W, 3) and a row part (H, 3)."""

    column: Float32Array
    row: Float32Array

    @classmethod
    def of(cls, camera: Camera, scale: int) -> Rays:
        """Rays of a grid with scale samples per pixel."""
        axes, matrix = camera.rotation(), camera.matrix(scale)
        x = (np.arange(camera.width * scale) - matrix[0, 2]) / matrix[0, 0]
        y = (np.arange(camera.height * scale) - matrix[1, 2]) / matrix[1, 1]
        return cls(
            (x[:, None] * axes[0]).astype(np.float32),
            (y[:, None] * axes[1] + axes[2]).astype(np.float32),
        )


@dataclass(frozen=True)
class Surface:
    """
    Per pixel, averaged over its samples, all float32 and linear.

    albedo: (H, W, 3). gloss: (H, W). glow: (H, W, 3), light of its own. open_sky: (H, W), the
    share of the pixel where the sky is seen; albedo, gloss and glow are 0 there.
    """

    albedo: Float32Array
    gloss: Float32Array
    glow: Float32Array
    open_sky: Float32Array


def paint(
    quads: Quads, projection: Projection, street: Street, camera: Camera, buffer: Buffer
) -> tuple[Uint8Array, Surface]:
    """Add the ground to the buffer in place; return labels of its samples and the surface."""
    shape = buffer.quad.shape
    labels = np.where(buffer.quad >= 0, quads.label[buffer.quad], SKY).astype(np.uint8)
    look = np.zeros((*shape, 4), np.float32)
    own = np.zeros((*shape, 4), np.float32)
    _paint_ground(street, camera, buffer, labels, look)
    _paint_quads(quads, projection, buffer, look, own)
    own[..., 3] = labels == SKY
    look, own = _per_pixel(look), _per_pixel(own)
    return labels, Surface(look[..., :3], look[..., 3], own[..., :3], own[..., 3])


def _per_pixel(samples: Float32Array) -> Float32Array:
    """Average samples around each pixel's own sample: (2H, 2W, C) to (H, W, C)."""
    smooth = cv2.sepFilter2D(samples, -1, _TENT, _TENT)
    return smooth[::SAMPLES, ::SAMPLES].astype(np.float32, copy=False)


def _paint_ground(
    street: Street, camera: Camera, buffer: Buffer, labels: Uint8Array, look: Float32Array
) -> None:
    rays = Rays.of(camera, SAMPLES)
    horizon = int(np.argmax(rays.row[:, 1] < 0)) if (rays.row[:, 1] < 0).any() else len(rays.row)
    down = -rays.row[horizon:, 1].astype(np.float64)
    first = horizon * labels.shape[1]
    colors = material_colors(street)
    for plane_m in (street.kerb_m, 0.0):
        nearness = (down / (camera.height_m - plane_m)).astype(np.float32)
        flat = np.flatnonzero(nearness[:, None] > buffer.nearness[horizon:])
        rows, columns = np.divmod(flat.astype(np.int32), np.int32(labels.shape[1]))
        depth = (1.0 / nearness)[rows]
        x = camera.x_m + depth * (rays.column[columns, 0] + rays.row[horizon + rows, 0])
        z = camera.z_m + depth * (rays.column[columns, 2] + rays.row[horizon + rows, 2])
        material = materials_at(street, x, z)
        if plane_m > 0:
            keep = np.flatnonzero(MATERIAL_LABEL[material] != _ROAD_LABEL)
            flat, rows, depth = flat[keep], rows[keep], depth[keep]
            x, z, material = x[keep], z[keep], material[keep]
        flat += first
        buffer.nearness.reshape(-1)[flat] = nearness[rows]
        buffer.quad.reshape(-1)[flat] = -1
        labels.reshape(-1)[flat] = MATERIAL_LABEL[material]
        grain = _grain(x, z, depth, material)
        look.reshape(-1, 4)[flat, :3] = colors[material] * grain[:, None]


def _grain(
    x_m: Float32Array, z_m: Float32Array, depth_m: Float32Array, material: Uint8Array
) -> Float32Array:
    """Brightness factor (N,) of ground points; fine grain fades with distance."""
    tiles, size = bank.ground_tiles(), bank.GROUND_TILE
    column = (x_m * _GROUND_TEXELS_PER_M).astype(np.int32) % size
    row = (z_m * _GROUND_TEXELS_PER_M).astype(np.int32) % size
    fine = tiles.reshape(-1)[(MATERIAL_TILE[material] * size + row) * size + column]
    column = (x_m * 9.0).astype(np.int32) % size
    row = (z_m * 3.0).astype(np.int32) % size
    fade = 1.0 / (1.0 + (depth_m * (1.0 / _GRAIN_FADE_M)) ** 2)
    result: Float32Array = (1.0 + (fine - 1.0) * fade) * tiles[3].reshape(-1)[row * size + column]
    return result


def _paint_quads(
    quads: Quads, projection: Projection, buffer: Buffer, look: Float32Array, own: Float32Array
) -> None:
    flat = np.flatnonzero(buffer.quad.reshape(-1) >= 0)
    index = buffer.quad.take(flat)
    u, v = buffer.u.take(flat), buffer.v.take(flat)
    level = mip_level(projection.density.take(index) / buffer.nearness.take(flat))
    atlas = bank.atlas()
    packed: Uint64Array = atlas.packed.take(atlas.index(quads.texture.take(index), level, u, v))
    texels = packed.view(np.uint8).reshape(-1, 8)
    chosen = np.ascontiguousarray(texels[:, None, _LOOK_CHANNELS])
    color: Float32Array = cv2.LUT(chosen, _LINEAR_OR_SHARE)[:, 0].astype(np.float32, copy=False)
    glowing = np.flatnonzero((quads.glow.take(index) > 0) & (texels[:, GLOW] > 0))
    if glowing.size:
        strength = _glow(quads, index[glowing], texels[glowing], u[glowing], v[glowing])
        own.reshape(-1, 4)[flat[glowing], :3] = color[glowing, :3] * strength[:, None]
    share = texels[:, TINTED, None] * np.float32(1 / 255)
    color[:, :3] *= 1.0 + share * (quads.tint - 1.0).take(index, axis=0)
    look.reshape(-1, 4)[flat] = color


def _glow(
    quads: Quads,
    index: npt.NDArray[np.int32],
    texels: Uint8Array,
    u: Float32Array,
    v: Float32Array,
) -> Float32Array:
    """Strength (N,) of own light; of lit texels only in some repeats of the texture."""
    cell = (index * 131 + u.astype(np.int32) * 17 + v.astype(np.int32) * 71) % len(_HASH)
    choosy = texels[:, LIT] >= 128
    on = ~choosy | (_HASH[cell] < quads.lit[index])
    strength = np.where(choosy, 0.4 + _HASH[(cell * 7) % len(_HASH)], 1.0)
    result: Float32Array = (quads.glow[index] * texels[:, GLOW] * (on * strength) / 255.0).astype(
        np.float32
    )
    return result
