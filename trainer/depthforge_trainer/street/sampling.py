# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Random views of random streets, for training."""

from __future__ import annotations

import math

from depthforge_trainer.street.camera import Camera, check_range, Frame
from depthforge_trainer.street.layout import random_scene
from depthforge_trainer.street.render import render
from depthforge_trainer.street.traffic import own_lateral_m
import numpy as np


def _random_camera(rng: np.random.Generator, height: int, width: int, lateral_m: float) -> Camera:
    fov_rad = math.radians(float(rng.uniform(50.0, 90.0)))
    focal_px = 0.5 * width / math.tan(0.5 * fov_rad)
    return Camera(
        width=width,
        height=height,
        fx_px=focal_px,
        fy_px=focal_px * float(rng.uniform(0.97, 1.03)),
        cx_px=width * float(rng.uniform(0.47, 0.53)),
        cy_px=height * float(rng.uniform(0.44, 0.56)),
        height_m=float(rng.uniform(1.2, 1.8)),
        x_m=lateral_m + float(rng.normal(0.0, 0.5)),
        z_m=0.0,
        pitch_rad=math.radians(float(rng.uniform(-3.0, 3.0))),
        yaw_rad=float(np.clip(rng.normal(0.0, 0.1), -0.5, 0.5)),
    )


def sample(seed: int, height: int, width: int) -> Frame:
    """Render a random view of a random street: (height, width), the same for the same seed."""
    if seed < 0:
        raise ValueError(f'seed is {seed}, expected an integer of at least 0; give one')
    check_range('sample', 'height', height, 8, 4096)
    check_range('sample', 'width', width, 8, 4096)
    rng = np.random.default_rng(seed)
    curved = rng.random() < 0.5
    curvature_per_m = float(rng.normal(0.0, 0.0016)) if curved else 0.0
    scene = random_scene(rng, float(np.clip(curvature_per_m, -0.004, 0.004)))
    lateral_m = own_lateral_m(scene.street)
    camera = _random_camera(rng, height, width, lateral_m)
    return render(scene, camera, float(rng.uniform(0.0, 1.0)), rng)
