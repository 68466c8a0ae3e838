# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Texture atlas: every texture and its mip levels in one flat array of 8-byte texels."""

from __future__ import annotations

import cv2
from depthforge_trainer.street.camera import Uint8Array
import numpy as np
import numpy.typing as npt

Int32Array = npt.NDArray[np.int32]
Uint64Array = npt.NDArray[np.uint64]
FloatArray = npt.NDArray[np.floating]

LEVELS = 7
RED, GREEN, BLUE, ALPHA, TINTED, GLOW, GLOSS, LIT = range(8)
"""Channels of a texel, each uint8 in [0, 255].

Red, green, blue are sRGB. Alpha below 128 is a hole. Tinted is how much the colour of the
quad multiplies the texel. Glow is light of its own. Gloss is how much sky the texel mirrors.
Lit marks glow that is on in some repeats of the texture only, as in a row of windows.
"""


def texture(height: int, width: int, rgb: tuple[int, int, int] = (0, 0, 0)) -> Uint8Array:
    """Return an opaque texture (height, width, 8) uint8 of one colour."""
    texels = np.zeros((height, width, 8), np.uint8)
    texels[..., :3] = rgb
    texels[..., ALPHA] = 255
    return texels


def _halve(texels: Uint8Array) -> Uint8Array:
    """Return the next mip level: colours are averaged over what is not a hole."""
    height, width = texels.shape[:2]
    size = (max(width // 2, 1), max(height // 2, 1))
    alpha = texels[..., ALPHA].astype(np.float32)
    weighted = texels.astype(np.float32) * alpha[..., None]
    total = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0])
    small = np.empty((size[1], size[0], 8), np.float32)
    for part in (slice(0, 4), slice(4, 8)):
        area = cv2.resize(np.ascontiguousarray(weighted[..., part]), size, None, 0, 0, 3)
        small[..., part] = area.reshape(size[1], size[0], 4)
    small /= np.maximum(total, 1.0)[..., None]
    small[..., ALPHA] = total
    return np.clip(small + 0.5, 0, 255).astype(np.uint8)


class Atlas:
    """All textures by name, with lookup by (texture index, level, u, v)."""

    def __init__(self, textures: dict[str, Uint8Array]) -> None:
        """Pack textures, a map from name to (H, W, 8) uint8, with their mip levels."""
        self.names = {name: index for index, name in enumerate(textures)}
        self.width = np.zeros((len(textures), LEVELS), np.int32)
        self.height = np.zeros((len(textures), LEVELS), np.int32)
        self.offset = np.zeros((len(textures), LEVELS), np.int32)
        self.has_holes = np.zeros(len(textures), np.bool_)
        parts: list[Uint8Array] = []
        total = 0
        for index, texels in enumerate(textures.values()):
            self.has_holes[index] = bool((texels[..., ALPHA] < 128).any())
            level_texels = texels
            for level in range(LEVELS):
                height, width = level_texels.shape[:2]
                self.height[index, level], self.width[index, level] = height, width
                self.offset[index, level] = total
                parts.append(level_texels.reshape(-1, 8))
                total += height * width
                level_texels = _halve(level_texels)
        self.texels = np.ascontiguousarray(np.concatenate(parts))
        self.packed: Uint64Array = self.texels.view(np.uint64).reshape(-1)
        self.alpha = np.ascontiguousarray(self.texels[:, ALPHA])

    def index(
        self, which: Int32Array, level: Int32Array, u: FloatArray, v: FloatArray
    ) -> Int32Array:
        """Return flat texel indices; u and v run over [0, 1) per repeat of the texture."""
        flat = which * LEVELS + level
        width = self.width.reshape(-1).take(flat)
        height = self.height.reshape(-1).take(flat)
        column = ((u - np.floor(u)) * width).astype(np.int32)
        row = ((v - np.floor(v)) * height).astype(np.int32)
        np.minimum(column, width - 1, out=column)
        np.minimum(row, height - 1, out=row)
        row *= width
        row += column
        row += self.offset.reshape(-1).take(flat)
        return row
