# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Random things beside the road: buildings, greenery, lamps, signs, what is far away."""

from __future__ import annotations

import math

from depthforge_trainer.street.chance import (
    Character,
    Generator,
    pick,
    Things,
    vary,
    WALL_TINTS,
)
from depthforge_trainer.street.scene import (
    Barrier,
    Building,
    Pole,
    Sign,
    Street,
    Tint,
    Tree,
)
import numpy as np


def pavement_end_m(street: Street, side: int) -> float:
    """Distance of the pavement's outer edge from the centre line."""
    index = 1 if side > 0 else 0
    kerb = street.right_m if side > 0 else -street.left_m
    return kerb + street.pavement_m[index] + street.verge_m[index] + 0.3


def in_side_street(street: Street, side: int, begin_m: float, end_m: float) -> float | None:
    """End of the side street that the span meets, or None."""
    for one in street.side_streets:
        if one.side == side and begin_m < one.end_m + 1.0 and end_m > one.begin_m - 1.0:
            return one.end_m
    return None


def line_side(
    rng: Generator, street: Street, character: Character, things: Things, side: int
) -> None:
    """Place buildings and greenery along one side."""
    s_m, edge = street.begin_m, pavement_end_m(street, side)
    setback = float(rng.choice([0.0, 0.0, rng.uniform(2.0, 6.0)]))
    storeys = float(rng.uniform(2.0, 4.5))
    while s_m < 140.0:
        length = float(rng.uniform(6.0, 18.0))
        blocked = in_side_street(street, side, s_m, s_m + length)
        if blocked is not None:
            s_m = blocked + 1.2
            continue
        if rng.random() < character.built:
            things.buildings.append(_building(rng, s_m, length, side * (edge + setback), storeys))
            if setback > 0:
                _front_garden(rng, things, s_m, length, side * edge)
        else:
            _green_gap(rng, character, things, (s_m, s_m + length), side * edge)
        s_m += length + (float(rng.uniform(1.0, 4.0)) if rng.random() < 0.15 else 0.0)


def _building(
    rng: Generator, s_m: float, length: float, lateral_m: float, storeys: float
) -> Building:
    style = str(rng.choice(['house', 'shop', 'office'], p=[0.42, 0.42, 0.16]))
    floors = max(1, round(storeys + rng.normal(0, 0.9)))
    return Building(
        s_m,
        s_m + length,
        lateral_m,
        0.5 + 3.1 * floors,
        style,
        int(rng.integers(0, 1 << 16)),
        pick(rng, WALL_TINTS),
        float(rng.uniform(1.5, 4.0)) if style != 'office' else 0.0,
        float(rng.uniform(0.1, 0.5)),
    )


def _foliage(rng: Generator) -> Tint:
    base: Tint = (0.36, 0.42, 0.24) if rng.random() < 0.7 else (0.45, 0.4, 0.27)
    return vary(rng, base, 0.2)


def _front_garden(
    rng: Generator, things: Things, s_m: float, length: float, lateral_m: float
) -> None:
    kind = rng.random()
    variant, low = int(rng.integers(0, 999)), float(rng.uniform(0.8, 1.6))
    if kind < 0.35:
        things.barriers.append(
            Barrier(s_m, s_m + length * 0.8, lateral_m, low, True, variant, _foliage(rng))
        )
    elif kind < 0.7:
        things.barriers.append(Barrier(s_m, s_m + length * 0.85, lateral_m, low, False, variant))
    else:
        things.buildings.append(
            Building(
                s_m, s_m + length * 0.8, lateral_m, low, 'wall', variant, pick(rng, WALL_TINTS)
            )
        )


def _green_gap(
    rng: Generator,
    character: Character,
    things: Things,
    span: tuple[float, float],
    lateral_m: float,
) -> None:
    """Trees behind a hedge, a fence or a wall."""
    _front_garden(rng, things, span[0], span[1] - span[0], lateral_m)
    for _ in range(1 + int(rng.integers(0, 4))):
        s_m = float(rng.uniform(*span))
        beyond = lateral_m + math.copysign(float(rng.uniform(2.5, 12.0)), lateral_m)
        things.trees.append(_tree(rng, character, s_m, beyond, float(rng.uniform(4.0, 13.0))))


def _tree(
    rng: Generator, character: Character, s_m: float, lateral_m: float, height_m: float
) -> Tree:
    kind = 'bare' if rng.random() < character.bare else 'leafy'
    if rng.random() < 0.12:
        kind = 'conifer'
    return Tree(s_m, lateral_m, height_m, kind, int(rng.integers(0, 999)), _foliage(rng))


def furnish_side(
    rng: Generator, street: Street, character: Character, things: Things, side: int
) -> None:
    """Street trees, lamps, signs, bollards and railings on one pavement."""
    kerb = (street.right_m if side > 0 else -street.left_m) + 0.6
    metal = vary(rng, (0.36, 0.37, 0.36), 0.4)
    lamp_m = float(rng.uniform(5.0, 9.0))
    step = float(rng.uniform(16.0, 34.0))
    for s_m in np.arange(rng.uniform(0.0, 20.0), 140.0, step):
        if in_side_street(street, side, s_m, s_m) is None:
            things.poles.append(Pole(float(s_m), side * kerb, lamp_m, 0.08, 'lamp', metal))
    if rng.random() < character.green * 0.7:
        height = float(rng.uniform(5.0, 11.0))
        for s_m in np.arange(rng.uniform(4.0, 15.0), 140.0, rng.uniform(8.0, 22.0)):
            if in_side_street(street, side, s_m, s_m) is None:
                tall = height * float(rng.uniform(0.8, 1.2))
                things.trees.append(_tree(rng, character, float(s_m), side * (kerb + 0.4), tall))
    for s_m in np.sort(rng.uniform(5.0, 110.0, int(rng.integers(5, 15)))):
        _add_sign(rng, things, float(s_m), side * float(kerb + rng.uniform(-0.1, 0.8)), metal)
    if rng.random() < 0.4:
        begin = float(rng.uniform(2.0, 40.0))
        for s_m in np.arange(begin, begin + rng.uniform(6.0, 30.0), rng.uniform(1.5, 3.0)):
            things.poles.append(Pole(float(s_m), side * (kerb - 0.1), 1.0, 0.07, 'bollard', metal))
    if rng.random() < 0.6:
        begin = float(rng.uniform(0.0, 25.0))
        if in_side_street(street, side, begin, begin + 30.0) is None:
            variant = int(rng.choice([0, 2, 4, 6]))
            length = float(rng.uniform(8.0, 30.0))
            things.barriers.append(
                Barrier(begin, begin + length, side * (kerb - 0.2), 1.1, False, variant)
            )


def _add_sign(rng: Generator, things: Things, s_m: float, lateral_m: float, metal: Tint) -> None:
    variant, kind = int(rng.integers(0, 999)), rng.random()
    if kind < 0.3:
        things.poles.append(Pole(s_m, lateral_m, 3.3, 0.06, 'plain', metal))
        things.signs.append(Sign(s_m, lateral_m, 2.3, 0.36, 0.95, True, variant))
    elif kind < 0.8:
        size, base = float(rng.uniform(0.5, 0.95)), float(rng.uniform(1.9, 2.6))
        things.poles.append(Pole(s_m, lateral_m, base + size, 0.045, 'plain', metal))
        things.signs.append(Sign(s_m, lateral_m, base, size, size, False, variant))
    else:
        width = float(rng.uniform(0.6, 1.6))
        base = float(rng.choice([0.3, 2.2]))
        things.poles.append(Pole(s_m, lateral_m, base + 0.2, 0.06, 'plain', metal))
        things.signs.append(
            Sign(
                s_m,
                lateral_m,
                base,
                width,
                width * float(rng.uniform(0.6, 1.5)),
                False,
                6 + variant % 12,
            )
        )


def fill_background(rng: Generator, street: Street, things: Things) -> None:
    """Second rows and the far end, so that the horizon is closed almost everywhere."""
    for side in (-1, 1):
        for s_m in np.arange(10.0, 150.0, 16.0):
            lateral = side * float(rng.uniform(24.0, 42.0))
            if rng.random() < 0.5:
                things.buildings.append(_building(rng, float(s_m), 14.0, lateral, 2.5))
            else:
                height = float(rng.uniform(6.0, 14.0))
                kind = str(rng.choice(['leafy', 'bare']))
                things.trees.append(
                    Tree(float(s_m), lateral, height, kind, int(rng.integers(99)), _foliage(rng))
                )
    for lateral in np.arange(-60.0, 61.0, 6.0):
        place = float(lateral + rng.uniform(-3.0, 3.0))
        s_m = float(rng.uniform(146.0, 170.0))
        if rng.random() < 0.5:
            tall = float(rng.uniform(6.0, 13.0))
            kind = str(rng.choice(['leafy', 'bare', 'conifer']))
            things.trees.append(Tree(s_m, place, tall, kind, int(rng.integers(99)), _foliage(rng)))
        else:
            things.buildings.append(_building(rng, s_m, 10.0, place, 2.0))
