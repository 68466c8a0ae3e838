# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""RGB frame -> network input, and the geometry of the way back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
from depthforge_ros.errors import UserError
import numpy as np
import numpy.typing as npt

MAX_ASPECT = 4.0
"""Longest network side over the shortest; longer frames shrink further, to bound the memory."""
MAX_INPUT_PIXELS = 4096 * 4096
"""More than any machine answers; a mistyped size must not end in a shortage of memory."""
MAX_HALVINGS = 3
"""What a JPEG decoder can leave out: an eighth of each side is the mean of every block."""


@dataclass(frozen=True)
class Geometry:
    """How a camera image lies in the network input: scaled, then padded right and below."""

    camera_height: int
    camera_width: int
    content_height: int
    """Rows of the network input that show the camera image; below them is padding."""
    content_width: int
    height: int
    """Rows of the network input, a multiple of the patch size."""
    width: int


@dataclass(frozen=True)
class Preprocess:
    """
    Choice of the network's input size.

    With `short_side` the aspect ratio of the camera is kept to within half a patch and nothing is
    padded. With `fixed_size` (height, width), as compiled engines need it, images that would get
    another size are fitted in, and the rest is padded with the edge pixels.
    """

    patch: int
    short_side: int
    fixed_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        sides = self.fixed_size or (self.short_side, self.short_side)
        if self.fixed_size is None and self.short_side < self.patch:
            raise UserError(
                f'short_side {self.short_side} is smaller than one patch of {self.patch} pixels; '
                'choose a multiple of the patch'
            )
        if self.fixed_size and any(side < self.patch or side % self.patch for side in sides):
            near = (max(1, round(side / self.patch)) * self.patch for side in sides)
            raise UserError(
                f'height x width {" x ".join(map(str, sides))} must be multiples of the patch, '
                f'{self.patch}; the nearest is {" x ".join(map(str, near))}'
            )
        if sides[0] * sides[1] > MAX_INPUT_PIXELS:
            raise UserError(
                f'an input of {sides[0]} x {sides[1]} pixels is too large for a network; choose '
                f'at most {MAX_INPUT_PIXELS} pixels'
            )

    def geometry(self, height: int, width: int) -> Geometry:
        """Place a camera image of height x width pixels."""
        if height < 1 or width < 1:
            raise UserError(
                f'the image has {width} x {height} pixels; at least 1 x 1 is needed; check the '
                'camera driver',
                reason='empty_image',
            )
        scale = min(
            self.short_side / min(height, width),
            self.short_side * MAX_ASPECT / max(height, width),
        )
        size = self._to_patches(height * scale), self._to_patches(width * scale)
        if self.fixed_size is not None and self.fixed_size != size:
            net_height, net_width = self.fixed_size
            scale = min(net_height / height, net_width / width)
            content = max(1, round(height * scale)), max(1, round(width * scale))
            return Geometry(height, width, *content, net_height, net_width)
        return Geometry(height, width, *size, *size)

    def shrink(self, height: int, width: int) -> int:
        """
        Return the divisor, 1, 2, 4 or 8, at which a camera image may be decoded.

        It leaves at least the pixels that the network sees.
        """
        geometry = self.geometry(height, width)
        content = geometry.content_width, geometry.content_height
        halvings = _halvings(height, width, content)
        return int(2 ** min(halvings, MAX_HALVINGS))

    def __call__(
        self, rgb: npt.NDArray[np.uint8], *, shrunk: int = 1
    ) -> tuple[npt.NDArray[np.uint8], Geometry]:
        """
        Resize and pad RGB uint8 (H, W, 3) to the network's uint8 (h, w, 3).

        `shrunk` is the divisor of an image that was decoded smaller; the geometry is that of the
        whole one.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
            raise UserError(
                f'the frame has shape {rgb.shape} and type {rgb.dtype}; uint8 (H, W, 3) in RGB '
                'order is needed'
            )
        geometry = self.geometry(rgb.shape[0] * shrunk, rgb.shape[1] * shrunk)
        content = (geometry.content_width, geometry.content_height)
        resized = _resize(rgb, content, is_halved=shrunk > 1)
        below = geometry.height - geometry.content_height
        right = geometry.width - geometry.content_width
        if not (below or right):
            return resized, geometry
        padded = cv2.copyMakeBorder(resized, 0, below, 0, right, cv2.BORDER_REPLICATE)
        return np.asarray(padded, np.uint8), geometry

    def _to_patches(self, side: float) -> int:
        return max(1, round(side / self.patch)) * self.patch


def _halvings(height: int, width: int, size: tuple[int, int]) -> int:
    """Count how often the sides divide by two without falling below (width, height)."""
    count = 0
    while height % 2 == width % 2 == 0 and min(width / size[0], height / size[1]) >= 2.0:
        height, width, count = height // 2, width // 2, count + 1
    return count


def _resize(
    rgb: npt.NDArray[np.uint8], size: tuple[int, int], *, is_halved: bool
) -> npt.NDArray[np.uint8]:
    """
    Resize to (width, height): large images by halves, then bilinearly, others by area.

    Means of 2 x 2 pixels are many times as fast as those of any other area.
    """
    half = rgb
    for _ in range(_halvings(rgb.shape[0], rgb.shape[1], size)):
        half_size = half.shape[1] // 2, half.shape[0] // 2
        half = np.asarray(cv2.resize(half, half_size, interpolation=cv2.INTER_AREA), np.uint8)
    is_smaller = size[0] * size[1] < rgb.shape[0] * rgb.shape[1]
    by_area = is_smaller and half is rgb and not is_halved
    interpolation = cv2.INTER_AREA if by_area else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(half, size, interpolation=interpolation), np.uint8)
