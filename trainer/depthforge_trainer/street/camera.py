# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The pinhole camera of the street renderer and the frame it returns."""

from __future__ import annotations

from dataclasses import dataclass
import math

from depthforge_ros.labels import CAMVID
import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Uint8Array = npt.NDArray[np.uint8]

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(
    len(CAMVID)
)
"""Train ids: the order of CAMVID.classes."""

MAX_PITCH_RAD = math.radians(20.0)


def check_range(owner: str, name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless low <= value <= high (so also for NaN)."""
    if not low <= value <= high:
        raise ValueError(
            f'{owner}.{name} is {value!r}, expected a number in [{low:g}, {high:g}]; '
            f'give a value in that range'
        )


@dataclass(frozen=True)
class Camera:
    """
    A pinhole camera over the street: no distortion, no roll, pixel centres at integers.

    World axes: x to the right of the street, y up from the road surface, z along the street.
    Lengths are metres, angles radians; pitch is positive downwards, yaw positive to the right.
    """

    width: int
    height: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    height_m: float = 1.5
    x_m: float = 0.0
    z_m: float = 0.0
    pitch_rad: float = 0.0
    yaw_rad: float = 0.0

    def __post_init__(self) -> None:
        """Check every field against its range."""
        check_range('Camera', 'width', self.width, 8, 4096)
        check_range('Camera', 'height', self.height, 8, 4096)
        check_range('Camera', 'fx_px', self.fx_px, 1.0, 1e5)
        check_range('Camera', 'fy_px', self.fy_px, 1.0, 1e5)
        check_range('Camera', 'cx_px', self.cx_px, 0.0, self.width)
        check_range('Camera', 'cy_px', self.cy_px, 0.0, self.height)
        check_range('Camera', 'height_m', self.height_m, 0.3, 4.0)
        check_range('Camera', 'x_m', self.x_m, -100.0, 100.0)
        check_range('Camera', 'z_m', self.z_m, -1e4, 1e4)
        check_range('Camera', 'pitch_rad', self.pitch_rad, -MAX_PITCH_RAD, MAX_PITCH_RAD)
        check_range('Camera', 'yaw_rad', self.yaw_rad, -1.0, 1.0)

    @property
    def position_m(self) -> Float64Array:
        """The optical centre in world axes: (3,) float64."""
        return np.array([self.x_m, self.height_m, self.z_m])

    def rotation(self) -> Float64Array:
        """Rows are the camera's right, down and forward axes in world axes: (3, 3) float64."""
        cos_p, sin_p = math.cos(self.pitch_rad), math.sin(self.pitch_rad)
        cos_y, sin_y = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        return np.array(
            [
                [cos_y, 0.0, -sin_y],
                [-sin_p * sin_y, -cos_p, -sin_p * cos_y],
                [cos_p * sin_y, -sin_p, cos_p * cos_y],
            ]
        )

    def matrix(self, scale: int) -> Float64Array:
        """Intrinsics (3, 3) for a grid with scale samples per pixel; sample 0 is pixel 0."""
        return np.array(
            [
                [self.fx_px * scale, 0.0, self.cx_px * scale],
                [0.0, self.fy_px * scale, self.cy_px * scale],
                [0.0, 0.0, 1.0],
            ]
        )


@dataclass(frozen=True)
class Frame:
    """
    One rendered view; the three arrays are aligned pixel by pixel.

    rgb: (H, W, 3) uint8 sRGB. labels: (H, W) uint8 train ids of CAMVID.
    depth_m: (H, W) float32, metres along the optical axis, +inf for the sky.
    """

    rgb: Uint8Array
    labels: Uint8Array
    depth_m: Float32Array

    def __post_init__(self) -> None:
        """Check that the arrays belong together."""
        shape = self.labels.shape
        if len(shape) != 2 or self.rgb.shape != (*shape, 3) or self.depth_m.shape != shape:
            raise ValueError(
                f'Frame arrays have shapes rgb {self.rgb.shape}, labels {shape}, depth_m '
                f'{self.depth_m.shape}; expected (H, W, 3), (H, W), (H, W); give one view'
            )
