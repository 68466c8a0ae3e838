# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""From linear light to the image of a camera: glare, exposure, vignette, tone, noise."""

from __future__ import annotations

import cv2
from depthforge_trainer.street.camera import Float32Array, Uint8Array
from depthforge_trainer.street.scene import Conditions
import numpy as np

_METERING = 0.6
"""How far exposure follows the brightness of the view: 0 not at all, 1 fully."""
_KEY = 0.11


def _glare(linear: Float32Array, exposure: float) -> Float32Array:
    """Add the glow around what is brighter than white; linear (H, W, 3)."""
    height, width = linear.shape[:2]
    small = cv2.resize(linear, (max(width // 4, 1), max(height // 4, 1)), None, 0, 0, 3)
    bright = np.clip(small * exposure - 1.0, 0.0, 6.0) / exposure
    near = cv2.GaussianBlur(bright, (0, 0), 2.0)
    far = cv2.GaussianBlur(bright, (0, 0), width / 60.0)
    halo = 0.25 * near + 0.06 * far
    return (linear + cv2.resize(halo, (width, height))).astype(np.float32, copy=False)


def _vignette(height: int, width: int, amount: float) -> Float32Array:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    return (1.0 - amount * 0.5 * (x * x + y * y)).astype(np.float32)


def expose(linear: Float32Array, conditions: Conditions, rng: np.random.Generator) -> Uint8Array:
    """Return the sRGB image (H, W, 3) uint8 of linear light (H, W, 3) float32."""
    height, width = linear.shape[:2]
    lower = linear[height // 4 :: 4, ::4, 1]
    level = float(np.exp(np.mean(np.log(lower + 1e-4))))
    exposure = conditions.exposure * (_KEY / level) ** _METERING
    image = _glare(linear, exposure)
    image *= (exposure * _vignette(height, width, conditions.vignette))[..., None]
    image *= np.array(conditions.white_balance, np.float32)
    image = 1.0 - np.exp(-1.25 * image) if conditions.contrast < 1.0 else np.minimum(image, 1.0)
    display = np.power(np.maximum(image, 0.0), conditions.contrast / 2.2, dtype=np.float32)
    if conditions.blur_px > 0.05:
        display = cv2.GaussianBlur(display, (0, 0), conditions.blur_px)
    gain = conditions.noise * (1.0 + 1.5 * (1.0 - conditions.daylight))
    noise = rng.standard_normal((height, width, 3), dtype=np.float32)
    noise += rng.standard_normal((height, width, 1), dtype=np.float32)
    display = display * 255.0 + noise * gain
    return np.clip(display + 0.5, 0, 255).astype(np.uint8)
