# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A calibrated camera: sizes, matrices and the ray that each pixel looks along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
from depthforge_ros.errors import UserError
import numpy as np
import numpy.typing as npt

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
DISTORTION_LENGTHS = {
    'plumb_bob': (0, 4, 5),
    'rational_polynomial': (8, 12, 14),
    'equidistant': (4,),
}
"""Coefficients that each distortion model of sensor_msgs takes."""
MODEL_ALIASES = {
    '': 'plumb_bob',
    'none': 'plumb_bob',
    'radtan': 'plumb_bob',
    'fisheye': 'equidistant',
    'kannala_brandt': 'equidistant',
    'kannala_brandt4': 'equidistant',
}
"""Names that drivers give these models."""
MAX_REPROJECTION = 0.5
"""Pixels by which a ray may miss its own pixel; further off, the lens model has no inverse."""
MAX_TANGENT = 100.0
"""Of the angle between a ray and the axis, 89.4 degrees; beyond, no pixel looks."""
MIN_SEEING = 0.1
"""Share of the pixels that must have a ray; less is no calibration of any lens."""
MATRIX_LENGTHS = {'k': 9, 'r': 9, 'p': 12}


@dataclass(frozen=True)
class Camera:
    """What sensor_msgs/CameraInfo says; the letters are its field names, matrices row by row."""

    width: int
    height: int
    k: tuple[float, ...]
    p: tuple[float, ...]
    d: tuple[float, ...] = ()
    r: tuple[float, ...] = IDENTITY
    distortion_model: str = 'plumb_bob'

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise UserError(
                f'camera: image_width is {self.width} and image_height {self.height}; both must '
                'be at least 1 pixel'
            )
        for name, length in MATRIX_LENGTHS.items():
            if len(getattr(self, name)) != length:
                raise UserError(
                    f'camera: matrix {name} has {len(getattr(self, name))} numbers, {length} are '
                    'needed'
                )
        lengths = DISTORTION_LENGTHS.get(self.distortion_model)
        if lengths is None:
            raise UserError(
                f'camera: distortion_model {self.distortion_model!r} is not known; choose one of '
                f'{", ".join(DISTORTION_LENGTHS)}'
            )
        if len(self.d) not in lengths:
            raise UserError(
                f'camera: {len(self.d)} distortion coefficients, and {self.distortion_model} '
                f'takes {" or ".join(map(str, lengths))}'
            )
        for name in ('k', 'd', 'r', 'p'):
            if not np.isfinite(getattr(self, name)).all():
                raise UserError(
                    f'camera: {name} holds {", ".join(f"{x:g}" for x in getattr(self, name))}; '
                    'all must be finite numbers; calibrate the camera'
                )
        if not (self.k[0] > 0.0 and self.k[4] > 0.0):
            raise UserError(
                f'camera: focal lengths are {self.k[0]} and {self.k[4]}; both must be above 0 '
                'pixels; calibrate the camera'
            )

    @classmethod
    def from_info(cls, message: Any) -> Camera:
        """Read a CameraInfo of ROS or of rosbags, without region of interest and binning."""
        model = MODEL_ALIASES.get(message.distortion_model, message.distortion_model)
        return cls(
            width=message.width,
            height=message.height,
            k=tuple(message.k),
            p=tuple(message.p),
            d=fitted_coefficients(message.d, model),
            r=tuple(message.r),
            distortion_model=model,
        )

    @classmethod
    def pinhole(
        cls, *, width: int, height: int, fx: float, fy: float, cx: float, cy: float
    ) -> Camera:
        """Make a rectified camera without distortion, all in pixels."""
        k = (fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0)
        p = (fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0)
        return cls(width=width, height=height, k=k, p=p, d=(0.0,) * 5)

    def window(
        self, *, x: int, y: int, width: int, height: int, binning: tuple[int, int]
    ) -> Camera:
        """
        Return the camera of a region of interest, in full pixels, that is binned (x, y).

        Rows and columns that no whole bin covers are left out, as sensors do.
        """
        if x + width > self.width or y + height > self.height:
            raise UserError(
                f'camera: the region of interest of {width} x {height} pixels at ({x}, {y}) is '
                f'not within the {self.width} x {self.height} pixels of camera_info; correct roi'
            )
        shifted = replace(
            self,
            width=width,
            height=height,
            k=_transformed(self.k, 1.0, 1.0, -x, -y),
            p=_transformed(self.p, 1.0, 1.0, -x, -y),
        )
        size = width // binning[0], height // binning[1]
        return shifted._scaled(*size, scale_x=1.0 / binning[0], scale_y=1.0 / binning[1])

    def resized(self, width: int, height: int) -> Camera:
        """
        Return the camera whose image is this one's, resized.

        Centres of pixels have whole coordinates, as in OpenCV, so the principal point goes to
        (c + 0.5) scale - 0.5; a baseline in P is scaled with its row.
        """
        return self._scaled(
            width, height, scale_x=width / self.width, scale_y=height / self.height
        )

    def _scaled(self, width: int, height: int, *, scale_x: float, scale_y: float) -> Camera:
        shift_x, shift_y = 0.5 * scale_x - 0.5, 0.5 * scale_y - 0.5
        return replace(
            self,
            width=width,
            height=height,
            k=_transformed(self.k, scale_x, scale_y, shift_x, shift_y),
            p=_transformed(self.p, scale_x, scale_y, shift_x, shift_y),
        )

    @property
    def is_fisheye(self) -> bool:
        """Whether its distortion is the fisheye's, which OpenCV has apart."""
        return self.distortion_model == 'equidistant'

    def is_pinhole(self, *, rectified: bool) -> bool:
        """Tell whether pixels are linear in the slopes of rays: no lens bends the image."""
        return rectified or not (self.is_fisheye or any(self.d))

    def matrix(self, *, rectified: bool) -> npt.NDArray[np.float64]:
        """Return what turns slopes into pixels, (3, 3): of P for a rectified image, else K."""
        full = np.reshape(self.p, (3, 4))[:, :3] if rectified else np.reshape(self.k, (3, 3))
        return np.asarray(full, np.float64)

    def rays(self, *, rectified: bool) -> npt.NDArray[np.float32]:
        """
        Find x / z and y / z of every pixel's ray, (height, width, 2), in the optical frame.

        A rectified image is a pinhole's by P; another one goes through K and the distortion model.
        NaN where the lens has no such ray: 90 degrees and more off the axis, or where its model
        cannot be inverted. A calibration that leaves hardly any raises UserError.
        """
        rays = self._rays(rectified=rectified)
        with np.errstate(invalid='ignore'):
            has_ray = (np.abs(rays) < MAX_TANGENT).all(-1)
        if has_ray.mean() < MIN_SEEING:
            raise UserError(
                f'camera: by its calibration only {has_ray.mean():.0%} of the pixels look '
                'anywhere; calibrate the camera'
            )
        rays[~has_ray] = np.nan
        return rays.astype(np.float32)

    def _rays(self, *, rectified: bool) -> npt.NDArray[np.float64]:
        columns = np.arange(self.width, dtype=np.float64)
        rows = np.arange(self.height, dtype=np.float64)
        if rectified and not (self.p[0] > 0.0 and self.p[5] > 0.0):
            raise UserError(
                f'camera: focal lengths in P are {self.p[0]} and {self.p[5]}; both must be above '
                '0 pixels for a rectified image; calibrate the camera'
            )
        matrix = self.matrix(rectified=rectified)
        if self.is_pinhole(rectified=rectified):
            x = (columns - matrix[0, 2]) / matrix[0, 0]
            y = (rows - matrix[1, 2]) / matrix[1, 1]
            return np.stack(np.meshgrid(x, y), axis=-1)
        pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 1, 2)
        if self.is_fisheye:
            rays = cv2.fisheye.undistortPoints(pixels, matrix, np.asarray(self.d))
            seen = cv2.fisheye.distortPoints(rays, matrix, np.asarray(self.d))
        else:
            rays = cv2.undistortPoints(pixels, matrix, np.asarray(self.d))
            points = cv2.convertPointsToHomogeneous(rays)
            seen, _ = cv2.projectPoints(
                points, np.zeros(3), np.zeros(3), matrix, np.asarray(self.d)
            )
        with np.errstate(invalid='ignore'):
            has_ray = np.linalg.norm(seen - pixels, axis=-1) < MAX_REPROJECTION
        rays[~has_ray] = np.nan
        return np.asarray(rays, np.float64).reshape(self.height, self.width, 2)


def fitted_coefficients(given: Sequence[float], model: str) -> tuple[float, ...]:
    """Cut zeros off the end of distortion coefficients that are more than the model takes."""
    values = tuple(float(value) for value in given)
    longest = max(DISTORTION_LENGTHS.get(model, (0,)))
    return values if longest == 0 or any(values[longest:]) else values[:longest]


def _transformed(
    matrix: tuple[float, ...], scale_x: float, scale_y: float, shift_x: float, shift_y: float
) -> tuple[float, ...]:
    """Multiply K or P, row by row, from the left with a scaling and shift of the pixels."""
    pixels = np.array([[scale_x, 0.0, shift_x], [0.0, scale_y, shift_y], [0.0, 0.0, 1.0]])
    product: npt.NDArray[Any] = pixels @ np.reshape(matrix, (3, -1))
    return tuple(float(value) for value in product.ravel())
