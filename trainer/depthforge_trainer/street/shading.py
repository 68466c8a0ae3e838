# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Light on the surfaces of a view."""

from __future__ import annotations

from depthforge_trainer.street.camera import Camera, Float32Array
from depthforge_trainer.street.lighting import GroundLight, Light, Shadows, sky_color
from depthforge_trainer.street.quads import Quads
from depthforge_trainer.street.raster import Buffer
from depthforge_trainer.street.scene import Scene
from depthforge_trainer.street.surface import Rays, SAMPLES, Surface
import numpy as np

_SKY_DISTANCE_M = 60.0
_MIRROR = 0.2
_LAMP_COLOR = np.array([1.0, 0.72, 0.42], np.float32)


def facing(quads: Quads, light: Light) -> tuple[Float32Array, Float32Array]:
    """Share of the sky and cosine to the sun, (Q + 1,) float32: quads, then the ground."""
    normal = np.cross(quads.right, quads.down)
    normal /= np.maximum(np.linalg.norm(normal, axis=1), 1e-9)[:, None]
    cosine = np.where(quads.soft, 0.55, np.abs(normal @ light.toward_sun))
    ambient = np.where(quads.soft, 0.7, 0.5 + 0.5 * np.abs(normal[:, 1]))
    return (
        np.append(ambient, 1.0).astype(np.float32),
        np.append(cosine, light.toward_sun[1]).astype(np.float32),
    )


def shade(
    surface: Surface,
    quads: Quads,
    scene: Scene,
    camera: Camera,
    light: Light,
    buffer: Buffer,
    shadows: Shadows | None,
    ground_light: GroundLight,
) -> Float32Array:
    """Linear light (H, W, 3) float32 that reaches the camera; a sample lights its pixel."""
    rays = Rays.of(camera, 1)
    x, y, z = (rays.row[:, None, axis] + rays.column[:, axis] for axis in range(3))
    depth = np.minimum(1.0 / buffer.nearness[::SAMPLES, ::SAMPLES], _SKY_DISTANCE_M * 3)
    points = tuple(
        part * depth + np.float32(start)
        for part, start in zip((x, y, z), camera.position_m, strict=True)
    )
    quad = buffer.quad[::SAMPLES, ::SAMPLES]
    ambient, cosine = (part[quad] for part in facing(quads, light))
    cells = ground_light.cells(points[0], points[2])
    low = np.clip(1.0 - points[1] * 2.5, 0.0, 1.0)
    contact = 1.0 - low * (1.0 - ground_light.shade[cells])
    canyon = 0.62 + 0.38 * np.clip(points[1] * np.float32(1 / 9.0), 0.0, 1.0)
    total = (ambient * contact * canyon)[..., None] * light.sky
    if shadows is not None:
        total += (shadows.sunlit(points) * cosine * contact)[..., None] * light.sun
    if light.dusk > 0:
        warm = ground_light.lamps[cells] / (1.0 + 0.02 * points[1] ** 2)
        total += warm[..., None] * _LAMP_COLOR
        total += _headlights(camera, points, depth, light)[..., None]
    color = surface.albedo * total + surface.glow
    color += (surface.gloss * canyon * _MIRROR)[..., None] * light.horizon
    clear = np.exp(-np.float32(scene.conditions.haze_per_m) * depth)
    color *= clear[..., None]
    color += ((1.0 - clear) * (1.0 - surface.open_sky) * 0.8)[..., None] * light.horizon
    rows, columns = np.nonzero(surface.open_sky > 0)
    seen = sky_color(light, scene.conditions, *(part[rows, columns] for part in (x, y, z)))
    color[rows, columns] += surface.open_sky[rows, columns, None] * seen
    result: Float32Array = color
    return result


def _headlights(
    camera: Camera, points: tuple[Float32Array, ...], depth_m: Float32Array, light: Light
) -> Float32Array:
    """Light (H, W) of the own car's headlights, mostly on the lower part of what is ahead."""
    side = (points[0] - np.float32(camera.x_m)) / np.maximum(depth_m, 1.0)
    low = np.exp(-np.maximum(points[1] - 0.9, 0.0) * 1.5)
    beam = np.exp(-6.0 * side * side) * depth_m**2 / (40.0 + depth_m**2)
    result: Float32Array = np.float32(0.5 * light.dusk) * low * beam * 60.0 / (60.0 + depth_m**2)
    return result
