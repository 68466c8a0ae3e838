# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Random vehicles, pedestrians and cyclists."""

from __future__ import annotations

import math

from depthforge_trainer.street.chance import (
    Character,
    CLOTHES,
    Generator,
    PAINTS,
    pick,
    Things,
)
from depthforge_trainer.street.roadside import (
    in_side_street,
    pavement_end_m,
)
from depthforge_trainer.street.scene import (
    Street,
    Vehicle,
    Walker,
)
import numpy as np

_VEHICLE_SHARES = (0.4, 0.25, 0.2, 0.1, 0.03, 0.02)
_LANE_SHARE = 0.43
"""Where between centre line and kerb one drives."""
_WIDE_M = 10.0
"""Width of a road beside whose lanes cars may park."""
_VEHICLES = ('hatchback', 'saloon', 'estate', 'van', 'bus', 'truck')


def _lanes(street: Street) -> tuple[float, float]:
    """Lateral centres of the own and the oncoming lane."""
    left, right = street.left_m * _LANE_SHARE, street.right_m * _LANE_SHARE
    return (left, right) if street.drives_left else (right, left)


def own_lateral_m(street: Street) -> float:
    """Lateral place of the own car."""
    return (street.left_m if street.drives_left else street.right_m) * _LANE_SHARE


def _vehicle(
    rng: Generator, s_m: float, lateral_m: float, heading_rad: float, speed_m_s: float
) -> Vehicle:
    kind = str(rng.choice(_VEHICLES, p=_VEHICLE_SHARES))
    return Vehicle(
        s_m,
        lateral_m,
        kind,
        heading_rad,
        speed_m_s,
        pick(rng, PAINTS),
        float(rng.uniform(0.93, 1.07)),
        bool(rng.random() < 0.3),
    )


def add_traffic(rng: Generator, street: Street, character: Character, things: Things) -> None:
    """Parked and moving vehicles."""
    for side in (-1, 1):
        edge = (street.right_m if side > 0 else street.left_m) - side * 1.05
        wide = street.right_m - street.left_m > _WIDE_M
        s_m = float(rng.uniform(5.0, 14.0))
        while s_m < 110.0 and wide:
            if (
                rng.random() < character.parked
                and in_side_street(street, side, s_m - 4, s_m + 4) is None
            ):
                way = 0.0 if (side < 0) == street.drives_left else math.pi
                things.vehicles.append(_vehicle(rng, s_m, edge, way, 0.0))
            s_m += float(rng.uniform(6.2, 12.0))
    own, oncoming = _lanes(street)
    for lane, heading, nearest in ((own, 0.0, 13.0), (oncoming, math.pi, 6.0)):
        s_m = nearest + float(rng.exponential(14.0))
        while s_m < 130.0:
            lateral = lane + float(rng.normal(0, 0.2))
            speed = float(rng.uniform(4.0, 11.0))
            things.vehicles.append(_vehicle(rng, s_m, lateral, heading, speed))
            s_m += 7.0 + float(rng.exponential(100.0 / character.moving))


def add_people(rng: Generator, street: Street, character: Character, things: Things) -> None:
    """Pedestrians on the pavements, some crossing, and cyclists near the kerb."""
    for _ in range(int(rng.poisson(character.people))):
        side = int(rng.choice([-1, 1]))
        s_m = 4.0 + float(rng.uniform(0.0, 1.0)) ** 1.4 * 75.0
        kerb = street.right_m if side > 0 else -street.left_m
        lateral = side * float(rng.uniform(kerb + 0.7, pavement_end_m(street, side) - 0.2))
        heading = float(rng.choice([0.0, math.pi]))
        if rng.random() < 0.08:
            lateral, heading = float(rng.uniform(street.left_m, street.right_m)), math.pi / 2
        things.walkers.append(
            Walker(
                s_m,
                lateral,
                float(np.clip(rng.normal(1.7, 0.1), 1.1, 2.0)),
                heading,
                float(rng.uniform(0.8, 1.7)),
                False,
                int(rng.integers(0, 999)),
                pick(rng, CLOTHES),
            )
        )
    for _ in range(int(rng.poisson(character.cyclists))):
        left_side = bool(rng.random() < 0.5)
        inset = 2.6 if street.right_m - street.left_m > _WIDE_M else 1.0
        lateral = street.left_m + inset if left_side else street.right_m - inset
        heading = 0.0 if left_side == street.drives_left else math.pi
        if rng.random() < 0.15:
            lateral, heading = float(rng.uniform(-2.0, 2.0)), math.pi / 2
        things.walkers.append(
            Walker(
                float(rng.uniform(6.0, 60.0)),
                lateral,
                float(rng.uniform(1.6, 1.85)),
                heading + float(rng.normal(0, 0.12)),
                float(rng.uniform(3.0, 6.0)),
                True,
                int(rng.integers(0, 999)),
                pick(rng, CLOTHES),
            )
        )
