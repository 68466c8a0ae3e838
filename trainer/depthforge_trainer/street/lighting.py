# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Light: sun, sky, street lamps, headlights, shadows and the look of the sky."""

from __future__ import annotations

from dataclasses import dataclass
import math

import cv2
from depthforge_trainer.street import bank
from depthforge_trainer.street.atlas import Atlas
from depthforge_trainer.street.camera import Camera, Float32Array, Float64Array
from depthforge_trainer.street.movers import place
from depthforge_trainer.street.profiles import PROFILES
from depthforge_trainer.street.quads import Quads
from depthforge_trainer.street.raster import Buffer, project_sun, rasterise
from depthforge_trainer.street.scene import Conditions, Scene
import numpy as np
import numpy.typing as npt

SHADOW_SIZE = 512
SHADOW_SAMPLE_M = 0.16
_SHADOW_BIAS_M = 0.25
_SHADOW_AHEAD_M = 32.0
_SHADOW_TAPS = ((-0.5, -0.2), (0.2, -0.5), (0.5, 0.2), (-0.2, 0.5))
_MAP_CELL_M = 0.2
_MAP_HALF_M = 24.0
_MAP_AHEAD_M = 120.0


@dataclass(frozen=True)
class Light:
    """
    Linear light of a moment, in units where a white wall in the open day is about 1.

    sun: (3,) colour of direct light. sky: (3,) colour of the ambient light. toward_sun: (3,)
    unit vector. dusk in [0, 1]: how much lamps are on. horizon, zenith: (3,) sky colours.
    """

    sun: Float32Array
    sky: Float32Array
    toward_sun: Float64Array
    dusk: float
    horizon: Float32Array
    zenith: Float32Array
    clouds: Float32Array


def _mix(first: Float32Array, second: Float32Array, share: float) -> Float32Array:
    return ((1.0 - share) * first + share * second).astype(np.float32)


def _color(red: float, green: float, blue: float) -> Float32Array:
    return np.array([red, green, blue], np.float32)


def light_of(conditions: Conditions) -> Light:
    """Light for conditions; a smooth function of daylight."""
    day, cloudy = conditions.daylight, conditions.cloudiness
    level = 0.03 * (1.0 / 0.03) ** day
    open_sky = max(0.0, 1.0 - 1.25 * cloudy)
    warm = _mix(_color(1.0, 0.55, 0.25), _color(1.0, 0.95, 0.86), min(day * 1.4, 1.0))
    sun = warm * (1.5 * open_sky * min(max(day * 1.6 - 0.5, 0.0), 1.0))
    ambient = _mix(_color(0.72, 0.85, 1.15), _color(0.97, 1.0, 1.04), cloudy)
    evening = _mix(_color(0.75, 0.85, 1.3), ambient, min(day * 1.5, 1.0))
    bright = _mix(_color(0.95, 1.05, 1.15), _color(1.25, 1.27, 1.28), cloudy)
    blue = _mix(_color(0.25, 0.5, 0.95), _color(1.0, 1.03, 1.06), cloudy)
    glow = _mix(_color(1.5, 0.85, 0.5), _color(0.9, 0.92, 1.0), cloudy)
    night = _mix(_color(0.25, 0.38, 0.8), _color(0.6, 0.66, 0.8), cloudy)
    share = min(max(day * 1.6 - 0.3, 0.0), 1.0)
    elevation, azimuth = conditions.sun_elevation_rad, conditions.sun_azimuth_rad
    toward = np.array(
        [
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
            math.cos(elevation) * math.cos(azimuth),
        ]
    )
    gray = _mix(_color(1.35, 1.33, 1.3), _color(0.75, 0.78, 0.82), cloudy)
    return Light(
        sun.astype(np.float32),
        evening * (level * (0.5 + 0.25 * cloudy)),
        toward,
        min(max(1.0 - 1.7 * day, 0.0), 1.0),
        _mix(glow, bright, share) * level,
        _mix(night, blue, share) * level,
        _mix(night * 0.6, gray, share) * level,
    )


def sky_color(
    light: Light, conditions: Conditions, x: Float32Array, y: Float32Array, z: Float32Array
) -> Float32Array:
    """Linear sky colour in directions (x, y up, z), each (N,) float32: (N, 3) float32."""
    norm = np.sqrt(x * x + y * y + z * z)
    up = np.maximum(y / norm, 0.02)
    share = (1.0 - np.minimum(up * 1.6, 1.0)) ** 2
    color = light.zenith + share[:, None] * (light.horizon - light.zenith)
    tile = bank.cloud_tile()
    size = bank.CLOUD_TILE
    reach = 150.0 / (up + 0.2) / norm
    shift = conditions.cloud_seed * 37
    column = (x * reach + shift).astype(np.int32) % size
    row = (z * reach + shift * 3).astype(np.int32) % size
    billows = tile[row, column]
    density = billows * 0.6 + 2.6 * conditions.cloudiness - 1.3
    cover = np.clip(density, 0.0, 1.0) * np.minimum(0.35 + up, 0.9)
    color += cover[:, None] * (light.clouds * (1.0 + 0.3 * billows[:, None]) - color)
    toward = light.toward_sun
    cosine = np.clip((x * toward[0] + y * toward[1] + z * toward[2]) / norm, 0.0, 1.0)
    halo = 0.5 * cosine**8 + 4.0 * cosine**160
    result: Float32Array = color + (halo[:, None] * 0.6 * light.sun).astype(np.float32)
    return result


class Shadows:
    """The sun's shadow map around the camera."""

    def __init__(self, quads: Quads, light: Light, camera: Camera, atlas: Atlas) -> None:
        """Draw the map, seen from the sun, on cells that stay in place as the camera moves."""
        way = -light.toward_sun
        right = np.cross(np.array([0.0, 1.0, 0.0]), way)
        right /= np.linalg.norm(right)
        self._axes = np.stack([right, np.cross(way, right), way])
        forward = camera.rotation()[2]
        center = self._axes @ (camera.position_m + _SHADOW_AHEAD_M * forward)
        center = np.round(center / SHADOW_SAMPLE_M) * SHADOW_SAMPLE_M
        self._center = self._axes.T @ center
        self._buffer = Buffer.empty(SHADOW_SIZE, SHADOW_SIZE, -1e9)
        projection = project_sun(
            quads, self._axes, self._center, SHADOW_SIZE, SHADOW_SAMPLE_M, atlas
        )
        rasterise(self._buffer, projection, quads, atlas)

    def sunlit(self, points: tuple[Float32Array, ...]) -> Float32Array:
        """Return how much of the sun the points (x, y, z arrays of one shape) see, in [0, 1]."""
        x, y, z = points
        places = [
            x * row[0] + y * row[1] + (z * row[2] - float(row @ self._center))
            for row in self._axes.astype(np.float32)
        ]
        column, row = (
            np.clip(
                place * np.float32(1.0 / SHADOW_SAMPLE_M) + SHADOW_SIZE / 2, 1, SHADOW_SIZE - 2
            )
            for place in places[:2]
        )
        limit = _SHADOW_BIAS_M - places[2]
        lit = np.zeros(limit.shape, np.float32)
        nearness = self._buffer.nearness.reshape(-1)
        for shift_x, shift_y in _SHADOW_TAPS:
            cell = (row + np.float32(shift_y)).astype(np.int32) * SHADOW_SIZE
            cell += (column + np.float32(shift_x)).astype(np.int32)
            lit += limit >= nearness[cell]
        result: Float32Array = lit * np.float32(1.0 / len(_SHADOW_TAPS))
        return result


class GroundLight:
    """A coarse map around the camera: contact shade below things and pools of lamp light."""

    def __init__(self, scene: Scene, camera: Camera, time_s: float, light: Light) -> None:
        """Draw the map for a moment."""
        self._x_m = camera.x_m - _MAP_HALF_M
        self._z_m = camera.z_m - 2.0
        shape = (int(_MAP_AHEAD_M / _MAP_CELL_M), int(2 * _MAP_HALF_M / _MAP_CELL_M))
        shade = np.ones(shape, np.float32)
        for vehicle in scene.vehicles:
            x, z, heading = place(scene.street, vehicle, time_s)
            profile = PROFILES[vehicle.kind]
            size = ((profile.front_m - profile.rear_m) * 0.97, profile.width_m * 0.95)
            box = (
                self._cell(x, z),
                (size[0] / _MAP_CELL_M, size[1] / _MAP_CELL_M),
                90.0 - math.degrees(heading),
            )
            corners = cv2.boxPoints(box)
            cv2.fillPoly(shade, [corners.astype(np.int32)], 0.1)
        for walker in scene.walkers:
            x, z, _ = place(scene.street, walker, time_s)
            center = self._cell(x, z)
            cv2.circle(shade, (int(center[0]), int(center[1])), 1, 0.5, -1)
        self.shade = cv2.GaussianBlur(shade, (0, 0), 1.6).reshape(-1)
        self._shape = shape
        self.lamps = self._lamp_pools(scene, light, shape)

    def _cell(self, x_m: float, z_m: float) -> tuple[float, float]:
        column, row = (x_m - self._x_m) / _MAP_CELL_M, (z_m - self._z_m) / _MAP_CELL_M
        return (float(np.clip(column, -999, 9999)), float(np.clip(row, -999, 9999)))

    def _lamp_pools(self, scene: Scene, light: Light, shape: tuple[int, int]) -> Float32Array:
        pools = np.zeros(shape, np.float32)
        if light.dusk <= 0.0:
            return pools.reshape(-1)
        rows = np.arange(shape[0], dtype=np.float32)[:, None] * _MAP_CELL_M + self._z_m
        columns = np.arange(shape[1], dtype=np.float32)[None, :] * _MAP_CELL_M + self._x_m
        for pole in scene.poles:
            if pole.kind != 'lamp' or not 0 < pole.s_m - self._z_m < _MAP_AHEAD_M:
                continue
            x = scene.street.x_m(pole.s_m, pole.lateral_m * 0.75)
            square = (rows - pole.s_m) ** 2 + (columns - x) ** 2
            pools += 0.09 * light.dusk / (1.0 + square / 16.0) ** 2
        return pools.reshape(-1)

    def cells(self, x_m: Float32Array, z_m: Float32Array) -> npt.NDArray[np.int32]:
        """Index of world points (N,) into shade and lamps, clipped to the map's edge."""
        column = ((x_m - self._x_m) / _MAP_CELL_M).astype(np.int32)
        row = ((z_m - self._z_m) / _MAP_CELL_M).astype(np.int32)
        np.clip(column, 0, self._shape[1] - 1, out=column)
        np.clip(row, 0, self._shape[0] - 1, out=row)
        result: npt.NDArray[np.int32] = row * self._shape[1] + column
        return result
