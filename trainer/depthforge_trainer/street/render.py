# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The renderer: scene, camera and time to image, labels and depth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from depthforge_trainer.street import bank
from depthforge_trainer.street.atlas import GLOSS, GLOW, LIT, TINTED, Uint64Array
from depthforge_trainer.street.camera import SKY, Camera, Float32Array, Frame, Uint8Array
from depthforge_trainer.street.ground import (
    MATERIAL_LABEL,
    MATERIAL_TILE,
    material_colors,
    materials_at,
)
from depthforge_trainer.street.lighting import GroundLight, Light, Shadows, light_of, sky_color
from depthforge_trainer.street.movers import add_movers
from depthforge_trainer.street.quads import QuadList, Quads
from depthforge_trainer.street.raster import Buffer, Projection, mip_level, project, rasterise
from depthforge_trainer.street.scene import Scene
from depthforge_trainer.street.sensor import expose
from depthforge_trainer.street.statics import add_statics

SAMPLES = 2
"""Samples per pixel in both directions; colours are averaged, labels and depth are not."""
_FARTHEST_M = 2000.0
_GROUND_TEXELS_PER_M = 70.0
_LINEAR = (np.arange(256, dtype=np.float32) / 255.0) ** np.float32(2.2)
_HASH = np.random.default_rng(7).random(1024).astype(np.float32)

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Rays:
    """World directions with unit depth of all samples, as sums of a row and a column part."""

    column: Float32Array
    row: Float32Array

    @classmethod
    def of(cls, camera: Camera) -> _Rays:
        axes, matrix = camera.rotation(), camera.matrix(SAMPLES)
        x = (np.arange(camera.width * SAMPLES) - matrix[0, 2]) / matrix[0, 0]
        y = (np.arange(camera.height * SAMPLES) - matrix[1, 2]) / matrix[1, 1]
        return cls(
            (x[:, None] * axes[0]).astype(np.float32),
            (y[:, None] * axes[1] + axes[2]).astype(np.float32),
        )

    def at(self, flat: Indices) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Directions x, y, z, each (N,), of flat sample indices (N,)."""
        rows, columns = np.divmod(flat, len(self.column))
        x, y, z = (self.column[columns, axis] + self.row[rows, axis] for axis in range(3))
        return x, y, z


@dataclass(frozen=True)
class _Surface:
    """What N samples see, before light: all (N,) or (N, 3) float32 unless said otherwise.

    flat: int64 sample indices. albedo linear. gloss, shape of the ambient light and the cosine
    to the sun in [0, 1]; glow: linear light of its own (N, 3).
    """

    flat: Indices
    points: Float32Array
    depth_m: Float32Array
    albedo: Float32Array
    gloss: Float32Array
    ambient: Float32Array
    cosine: Float32Array
    glow: Float32Array


def render(scene: Scene, camera: Camera, time_s: float, rng: np.random.Generator) -> Frame:
    """Render one view; rng only makes the sensor noise."""
    light = light_of(scene.conditions)
    quads = _collect(scene, time_s, light)
    atlas = bank.atlas()
    buffer = Buffer.empty(camera.height * SAMPLES, camera.width * SAMPLES, 1.0 / _FARTHEST_M)
    projection = project(quads, camera, SAMPLES, atlas)
    rasterise(buffer, projection, quads, atlas)
    rays = _Rays.of(camera)
    labels = np.where(buffer.quad >= 0, quads.label[buffer.quad], SKY).astype(np.uint8)
    linear = np.empty((*labels.shape, 3), np.float32)
    shadows = Shadows(quads, light, camera, atlas) if light.sun.max() > 0.02 else None
    ground_light = GroundLight(scene, camera, time_s, light)
    for surface in (
        _ground(scene, camera, rays, buffer, labels, light),
        _objects(quads, projection, camera, rays, buffer, light),
    ):
        color = _shade(surface, scene, camera, light, shadows, ground_light)
        linear.reshape(-1, 3)[surface.flat] = color
    empty = np.flatnonzero(labels.reshape(-1) == SKY)
    linear.reshape(-1, 3)[empty] = sky_color(light, scene.conditions, *rays.at(empty))
    smooth = cv2.sepFilter2D(linear, -1, _TENT, _TENT)[::SAMPLES, ::SAMPLES]
    pixel_labels = np.ascontiguousarray(labels[::SAMPLES, ::SAMPLES])
    depth_m = (1.0 / buffer.nearness[::SAMPLES, ::SAMPLES]).astype(np.float32)
    depth_m[pixel_labels == SKY] = np.inf
    return Frame(expose(np.ascontiguousarray(smooth), scene.conditions, rng), pixel_labels,
                 depth_m)


_TENT = np.array([0.25, 0.5, 0.25], np.float32)


def _collect(scene: Scene, time_s: float, light: Light) -> Quads:
    quads = QuadList()
    add_statics(quads, scene, light.dusk)
    add_movers(quads, scene, time_s, light.dusk)
    return quads.arrays()


def _ground(
    scene: Scene, camera: Camera, rays: _Rays, buffer: Buffer, labels: Uint8Array, light: Light
) -> _Surface:
    """Fill ground samples of buffer and labels in place and return what they see."""
    street = scene.street
    found: list[tuple[Indices, Float32Array, Float32Array, Uint8Array]] = []
    down = -rays.row[:, 1].astype(np.float64)
    for plane_m in (street.kerb_m, 0.0):
        nearness = np.maximum(down / (camera.height_m - plane_m), 0.0).astype(np.float32)
        flat = np.flatnonzero(nearness[:, None] > buffer.nearness)
        rows, columns = np.divmod(flat, labels.shape[1])
        depth = 1.0 / nearness[rows]
        x = camera.x_m + depth * (rays.column[columns, 0] + rays.row[rows, 0])
        z = camera.z_m + depth * (rays.column[columns, 2] + rays.row[rows, 2])
        material = materials_at(street, x, z)
        if plane_m > 0:
            keep = np.flatnonzero(MATERIAL_LABEL[material] != MATERIAL_LABEL[0])
            flat, rows, depth = flat[keep], rows[keep], depth[keep]
            x, z, material = x[keep], z[keep], material[keep]
        buffer.nearness.reshape(-1)[flat] = nearness[rows]
        buffer.quad.reshape(-1)[flat] = -1
        labels.reshape(-1)[flat] = MATERIAL_LABEL[material]
        points = np.stack([x, np.full_like(x, plane_m), z], 1).astype(np.float32)
        found.append((flat, points, depth, material))
    flat, points, depth, material = (
        np.concatenate([part[index] for part in found]) for index in range(4)
    )
    ones = np.ones(len(flat), np.float32)
    return _Surface(
        flat, points, depth, _ground_albedo(scene, points, depth, material), 0.0 * ones, ones,
        ones * np.float32(light.toward_sun[1]), np.zeros((1, 3), np.float32),
    )


def _ground_albedo(
    scene: Scene, points: Float32Array, depth_m: Float32Array, material: Uint8Array
) -> Float32Array:
    """Linear albedo (N, 3) of ground points, with grain that fades with distance."""
    tiles = bank.ground_tiles()
    size = bank.GROUND_TILE
    column = (points[:, 0] * _GROUND_TEXELS_PER_M).astype(np.int32) % size
    row = (points[:, 2] * _GROUND_TEXELS_PER_M).astype(np.int32) % size
    grain = tiles[MATERIAL_TILE[material], row, column]
    grain = 1.0 + (grain - 1.0) / (1.0 + (depth_m / 14.0) ** 2)
    column = (points[:, 0] * 9.0).astype(np.int32) % size
    row = (points[:, 2] * 3.0).astype(np.int32) % size
    grain *= tiles[3, row, column]
    result: Float32Array = material_colors(scene.street)[material] * grain[:, None]
    return result


def _objects(
    quads: Quads, projection: Projection, camera: Camera, rays: _Rays, buffer: Buffer,
    light: Light,
) -> _Surface:
    """What the samples on parallelograms see."""
    flat = np.flatnonzero(buffer.quad.reshape(-1) >= 0)
    index = buffer.quad.reshape(-1)[flat]
    depth = 1.0 / buffer.nearness.reshape(-1)[flat]
    points = np.stack(rays.at(flat), 1) * depth[:, None] + camera.position_m.astype(np.float32)
    u, v = buffer.u.reshape(-1)[flat], buffer.v.reshape(-1)[flat]
    level = mip_level(projection.density[index] * depth)
    atlas = bank.atlas()
    packed: Uint64Array = atlas.packed[atlas.index(quads.texture[index], level, u, v)]
    texels = packed.view(np.uint8).reshape(-1, 8)
    share = texels[:, TINTED, None] * np.float32(1 / 255)
    albedo = _LINEAR[texels[:, :3]]
    glow = _glow(quads, index, texels, u, v)[:, None] * albedo
    albedo *= 1.0 + share * (quads.tint[index] - 1.0)
    ambient, cosine = _facing(quads, light)
    return _Surface(
        flat, points, depth, albedo, texels[:, GLOSS] * np.float32(1 / 255), ambient[index],
        cosine[index], glow,
    )


def _glow(
    quads: Quads, index: npt.NDArray[np.int32], texels: Uint8Array, u: Float32Array,
    v: Float32Array,
) -> Float32Array:
    """Strength (N,) of own light; of lit texels only in some repeats of the texture."""
    cell = (index * 131 + u.astype(np.int32) * 17 + v.astype(np.int32) * 71) % len(_HASH)
    on = (texels[:, LIT] < 128) | (_HASH[cell] < quads.lit[index])
    strength = np.where(texels[:, LIT] < 128, 1.0, 0.4 + _HASH[(cell * 7) % len(_HASH)])
    result: Float32Array = (
        quads.glow[index] * texels[:, GLOW] * (on * strength) / 255.0
    ).astype(np.float32)
    return result


def _facing(quads: Quads, light: Light) -> tuple[Float32Array, Float32Array]:
    """Share of the sky and cosine to the sun of each quad, both (Q,) float32."""
    normal = np.cross(quads.right, quads.down)
    normal /= np.maximum(np.linalg.norm(normal, axis=1), 1e-9)[:, None]
    cosine = np.abs(normal @ light.toward_sun)
    ambient = 0.5 + 0.5 * np.abs(normal[:, 1])
    return (
        np.where(quads.soft, 0.7, ambient).astype(np.float32),
        np.where(quads.soft, 0.55, cosine).astype(np.float32),
    )


def _shade(
    surface: _Surface, scene: Scene, camera: Camera, light: Light, shadows: Shadows | None,
    ground_light: GroundLight,
) -> Float32Array:
    """Linear colour (N, 3) that the camera sees."""
    points, depth = surface.points, surface.depth_m
    cells = ground_light.cells(points[:, 0], points[:, 2])
    low = np.clip(1.0 - points[:, 1] * 2.5, 0.0, 1.0)
    contact = 1.0 - low * (1.0 - ground_light.shade[cells])
    canyon = 0.62 + 0.38 * np.clip(points[:, 1] / 9.0, 0.0, 1.0)
    sky = surface.ambient * contact * canyon
    total = sky[:, None] * light.sky
    if shadows is not None:
        columns = camera.width * SAMPLES
        offset = np.stack([surface.flat % 2, (surface.flat // columns) % 2], 1) - 0.5
        lit = shadows.sunlit(points, offset.astype(np.float32)) * surface.cosine * contact
        total += lit[:, None] * light.sun
    if light.dusk > 0:
        warm = ground_light.lamps[cells] / (1.0 + 0.02 * points[:, 1] ** 2)
        total += warm[:, None] * np.array([1.0, 0.72, 0.42], np.float32)
        total += _headlights(camera, points, depth, light)[:, None]
    color = surface.albedo * total
    color += (surface.gloss * canyon)[:, None] * light.horizon * 0.8
    color += surface.glow
    haze = 1.0 - np.exp(-scene.conditions.haze_per_m * depth)
    color += haze[:, None] * (0.8 * light.horizon - color)
    result: Float32Array = color.astype(np.float32, copy=False)
    return result


def _headlights(
    camera: Camera, points: Float32Array, depth_m: Float32Array, light: Light
) -> Float32Array:
    """Light (N,) of the own car's headlights, mostly on the lower part of what is ahead."""
    side = (points[:, 0] - camera.x_m) / np.maximum(depth_m, 1.0)
    low = np.exp(-np.maximum(points[:, 1] - 0.9, 0.0) * 1.5)
    beam = np.exp(-6.0 * side * side) * depth_m**2 / (40.0 + depth_m**2)
    result: Float32Array = (
        0.5 * light.dusk * low * beam * 60.0 / (60.0 + depth_m**2)
    ).astype(np.float32)
    return result
