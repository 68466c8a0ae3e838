# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Random streets: what stands where, and in which light."""

from __future__ import annotations

import math

from depthforge_trainer.street.chance import (
    dull,
    Generator,
    random_character,
    Things,
)
from depthforge_trainer.street.roadside import (
    fill_background,
    furnish_side,
    line_side,
)
from depthforge_trainer.street.scene import (
    Conditions,
    Scene,
    SideStreet,
    Street,
)
from depthforge_trainer.street.traffic import (
    add_people,
    add_traffic,
)
import numpy as np


def random_conditions(rng: Generator) -> Conditions:
    """Draw light, weather and camera: mostly day, a third towards dusk."""
    dim = rng.random() < 0.34
    gain = tuple(float(value) for value in rng.normal(1.0, 0.035, 3))
    return Conditions(
        daylight=float(rng.uniform(0.0, 0.65) if dim else rng.uniform(0.7, 1.0)),
        sun_azimuth_rad=float(rng.uniform(-math.pi, math.pi)),
        sun_elevation_rad=float(rng.uniform(0.25, 0.95)),
        cloudiness=float(np.clip(rng.normal(0.5, 0.35), 0.0, 1.0)),
        haze_per_m=float(rng.choice([0.0003, 0.001, 0.0025])),
        exposure=float(math.exp(rng.normal(0.2, 0.4))),
        contrast=float(rng.uniform(0.9, 1.5)),
        white_balance=(gain[0], gain[1], gain[2]),
        noise=float(rng.uniform(0.4, 2.0)),
        blur_px=float(rng.choice([0.0, 0.3, 0.5, 0.8])),
        vignette=float(rng.uniform(0.0, 0.4)),
        cloud_seed=int(rng.integers(0, 1000)),
    )


def random_street(rng: Generator, curvature_per_m: float) -> Street:
    """Draw widths, side streets and surfaces."""
    half = float(rng.uniform(3.4, 7.2))
    shift = float(rng.choice([0.0, 0.0, rng.uniform(-1.0, 2.0)]))
    sides = []
    for side in (-1, 1):
        if rng.random() < 0.4:
            begin = float(rng.uniform(6.0, 70.0))
            sides.append(SideStreet(begin, begin + float(rng.uniform(5.0, 9.0)), side))
    gray = float(rng.uniform(0.3, 0.46))
    pave = float(rng.uniform(0.34, 0.58))
    widths_m = (float(rng.uniform(1.5, 4.5)), float(rng.uniform(1.5, 4.5)))
    verges_m = rng.choice([0.0, 0.0, 0.0, 1.0, 2.0], 2)
    return Street(
        left_m=-half,
        right_m=half + shift,
        pavement_m=widths_m,
        verge_m=(float(verges_m[0]), float(verges_m[1])),
        kerb_m=float(rng.uniform(0.08, 0.15)),
        curvature_per_m=curvature_per_m,
        side_streets=tuple(sides),
        marking_seed=int(rng.integers(0, 1 << 30)),
        drives_left=bool(rng.random() < 0.6),
        asphalt=dull(rng, gray, 1.02),
        paving=dull(rng, pave, 0.95),
    )


def random_scene(rng: Generator, curvature_per_m: float) -> Scene:
    """Draw a street with everything on it; the camera is expected around (0, 0) driving on."""
    street = random_street(rng, curvature_per_m)
    character = random_character(rng)
    things = Things()
    for side in (-1, 1):
        line_side(rng, street, character, things, side)
        furnish_side(rng, street, character, things, side)
    fill_background(rng, street, things)
    add_traffic(rng, street, character, things)
    add_people(rng, street, character, things)
    return Scene(
        street,
        random_conditions(rng),
        tuple(things.buildings),
        tuple(things.trees),
        tuple(things.barriers),
        tuple(things.poles),
        tuple(things.signs),
        tuple(things.vehicles),
        tuple(things.walkers),
    )
