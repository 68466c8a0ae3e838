# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Random streets: what stands where, and in which light."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from depthforge_trainer.street.scene import (
    Barrier,
    Building,
    Conditions,
    Pole,
    Scene,
    SideStreet,
    Sign,
    Street,
    Tint,
    Tree,
    Vehicle,
    Walker,
)

Generator = np.random.Generator

_WALL_TINTS: tuple[Tint, ...] = (
    (0.72, 0.62, 0.46), (0.78, 0.72, 0.6), (0.55, 0.36, 0.29), (0.6, 0.44, 0.34),
    (0.85, 0.84, 0.8), (0.66, 0.64, 0.6), (0.5, 0.46, 0.42), (0.8, 0.74, 0.62),
    (0.42, 0.38, 0.35), (0.7, 0.6, 0.5), (0.62, 0.66, 0.68), (0.88, 0.82, 0.66),
)
_PAINTS: tuple[Tint, ...] = (
    (0.12, 0.12, 0.13), (0.2, 0.21, 0.23), (0.55, 0.57, 0.6), (0.68, 0.7, 0.72),
    (0.85, 0.86, 0.86), (0.12, 0.17, 0.34), (0.5, 0.1, 0.1), (0.3, 0.33, 0.36),
    (0.16, 0.3, 0.25), (0.7, 0.12, 0.1), (0.2, 0.35, 0.55), (0.75, 0.65, 0.4),
)
_CLOTHES: tuple[Tint, ...] = (
    (0.1, 0.1, 0.11), (0.18, 0.19, 0.24), (0.3, 0.27, 0.24), (0.16, 0.22, 0.38),
    (0.4, 0.14, 0.14), (0.45, 0.45, 0.45), (0.25, 0.3, 0.22), (0.45, 0.36, 0.26),
    (0.62, 0.62, 0.6), (0.3, 0.4, 0.5), (0.12, 0.12, 0.14), (0.7, 0.75, 0.2),
)
_VEHICLE_SHARES = (0.4, 0.25, 0.2, 0.1, 0.03, 0.02)
_VEHICLES = ('hatchback', 'saloon', 'estate', 'van', 'bus', 'truck')


@dataclass(frozen=True)
class Character:
    """Densities of a street: shares in [0, 1], counts per 100 m."""

    built: float
    green: float
    bare: float
    parked: float
    moving: float
    people: float
    cyclists: float


@dataclass
class _Things:
    """What was placed so far."""

    buildings: list[Building] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    barriers: list[Barrier] = field(default_factory=list)
    poles: list[Pole] = field(default_factory=list)
    signs: list[Sign] = field(default_factory=list)
    vehicles: list[Vehicle] = field(default_factory=list)
    walkers: list[Walker] = field(default_factory=list)


def random_character(rng: Generator) -> Character:
    """Draw what kind of street this is."""
    return Character(
        built=float(rng.choice([0.35, 0.7, 0.95], p=[0.25, 0.3, 0.45])),
        green=float(rng.uniform(0.0, 1.0)),
        bare=float(rng.choice([0.05, 0.5, 0.95])),
        parked=float(rng.choice([0.0, 0.35, 0.8], p=[0.45, 0.35, 0.2])),
        moving=float(rng.uniform(1.5, 7.0)),
        people=float(rng.uniform(4.0, 20.0)),
        cyclists=float(rng.uniform(1.5, 6.0)),
    )


def random_conditions(rng: Generator) -> Conditions:
    """Draw light, weather and camera: mostly day, a third towards dusk."""
    dim = rng.random() < 0.34
    gain = tuple(float(value) for value in rng.normal(1.0, 0.035, 3))
    return Conditions(
        daylight=float(rng.uniform(0.0, 0.65) if dim else rng.uniform(0.7, 1.0)),
        sun_azimuth_rad=float(rng.uniform(-math.pi, math.pi)),
        sun_elevation_rad=float(rng.uniform(0.25, 0.95)),
        cloudiness=float(np.clip(rng.normal(0.5, 0.35), 0.0, 1.0)),
        haze_per_m=float(rng.choice([0.0005, 0.0015, 0.004])),
        exposure=float(math.exp(rng.normal(0.0, 0.35))),
        contrast=float(rng.uniform(0.9, 1.5)),
        white_balance=(gain[0], gain[1], gain[2]),
        noise=float(rng.uniform(0.4, 2.0)),
        blur_px=float(rng.choice([0.0, 0.3, 0.5, 0.8])),
        vignette=float(rng.uniform(0.0, 0.4)),
        cloud_seed=int(rng.integers(0, 1000)),
    )


def _vary(rng: Generator, tint: Tint, amount: float) -> Tint:
    values = np.clip(np.array(tint) * (1 + rng.normal(0, amount)) + rng.normal(0, 0.03, 3), 0, 1)
    return (float(values[0]), float(values[1]), float(values[2]))


def _dull(rng: Generator, gray: float, blue: float) -> Tint:
    shift = rng.normal(0, 0.008, 3)
    return (gray + float(shift[0]), gray + float(shift[1]), gray * blue + float(shift[2]))


def _pick(rng: Generator, tints: tuple[Tint, ...]) -> Tint:
    return _vary(rng, tints[int(rng.integers(len(tints)))], 0.15)


def random_street(rng: Generator, curvature_per_m: float) -> Street:
    """Draw widths, side streets and surfaces."""
    half = float(rng.uniform(3.4, 6.8))
    shift = float(rng.choice([0.0, 0.0, rng.uniform(-1.0, 2.0)]))
    sides = []
    for side in (-1, 1):
        if rng.random() < 0.4:
            begin = float(rng.uniform(6.0, 70.0))
            sides.append(SideStreet(begin, begin + float(rng.uniform(5.0, 9.0)), side))
    gray = float(rng.uniform(0.3, 0.46))
    pave = float(rng.uniform(0.34, 0.58))
    return Street(
        left_m=-half, right_m=half + shift,
        pavement_m=(float(rng.uniform(1.5, 4.5)), float(rng.uniform(1.5, 4.5))),
        verge_m=tuple(float(v) for v in rng.choice([0.0, 0.0, 0.0, 1.0, 2.0], 2)),  # type: ignore[arg-type]
        kerb_m=float(rng.uniform(0.08, 0.15)),
        curvature_per_m=curvature_per_m,
        side_streets=tuple(sides),
        marking_seed=int(rng.integers(0, 1 << 30)),
        drives_left=bool(rng.random() < 0.6),
        asphalt=_dull(rng, gray, 1.02),
        paving=_dull(rng, pave, 0.95),
    )


def random_scene(rng: Generator, curvature_per_m: float) -> Scene:
    """Draw a street with everything on it; the camera is expected around (0, 0) driving on."""
    street = random_street(rng, curvature_per_m)
    character = random_character(rng)
    things = _Things()
    for side in (-1, 1):
        _line_side(rng, street, character, things, side)
        _furnish_side(rng, street, character, things, side)
    _fill_background(rng, street, things)
    _add_traffic(rng, street, character, things)
    _add_people(rng, street, character, things)
    return Scene(
        street, random_conditions(rng), tuple(things.buildings), tuple(things.trees),
        tuple(things.barriers), tuple(things.poles), tuple(things.signs),
        tuple(things.vehicles), tuple(things.walkers),
    )


def _edge(street: Street, side: int) -> float:
    """Distance of the pavement's outer edge from the centre line."""
    index = 1 if side > 0 else 0
    kerb = street.right_m if side > 0 else -street.left_m
    return kerb + street.pavement_m[index] + street.verge_m[index] + 0.3


def _in_side_street(street: Street, side: int, begin_m: float, end_m: float) -> float | None:
    """End of the side street that the span meets, or None."""
    for one in street.side_streets:
        if one.side == side and begin_m < one.end_m + 1.0 and end_m > one.begin_m - 1.0:
            return one.end_m
    return None


def _line_side(
    rng: Generator, street: Street, character: Character, things: _Things, side: int
) -> None:
    """Buildings and greenery along one side."""
    s_m, edge = street.begin_m, _edge(street, side)
    setback = float(rng.choice([0.0, 0.0, rng.uniform(2.0, 6.0)]))
    storeys = float(rng.uniform(2.0, 4.5))
    while s_m < 140.0:
        length = float(rng.uniform(6.0, 18.0))
        blocked = _in_side_street(street, side, s_m, s_m + length)
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
        s_m, s_m + length, lateral_m, 0.5 + 3.1 * floors, style, int(rng.integers(0, 1 << 16)),
        _pick(rng, _WALL_TINTS), float(rng.uniform(1.5, 4.0)) if style != 'office' else 0.0,
        float(rng.uniform(0.1, 0.5)),
    )


def _foliage(rng: Generator) -> Tint:
    base: Tint = (0.36, 0.42, 0.24) if rng.random() < 0.7 else (0.45, 0.4, 0.27)
    return _vary(rng, base, 0.2)


def _front_garden(
    rng: Generator, things: _Things, s_m: float, length: float, lateral_m: float
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
            Building(s_m, s_m + length * 0.8, lateral_m, low, 'wall', variant,
                     _pick(rng, _WALL_TINTS))
        )


def _green_gap(
    rng: Generator, character: Character, things: _Things, span: tuple[float, float],
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


def _furnish_side(
    rng: Generator, street: Street, character: Character, things: _Things, side: int
) -> None:
    """Street trees, lamps, signs, bollards and railings on one pavement."""
    kerb = (street.right_m if side > 0 else -street.left_m) + 0.6
    metal = _vary(rng, (0.36, 0.37, 0.36), 0.4)
    lamp_m = float(rng.uniform(5.0, 9.0))
    step = float(rng.uniform(16.0, 34.0))
    for s_m in np.arange(rng.uniform(0.0, 20.0), 140.0, step):
        if _in_side_street(street, side, s_m, s_m) is None:
            things.poles.append(Pole(float(s_m), side * kerb, lamp_m, 0.08, 'lamp', metal))
    if rng.random() < character.green * 0.7:
        height = float(rng.uniform(5.0, 11.0))
        for s_m in np.arange(rng.uniform(4.0, 15.0), 140.0, rng.uniform(8.0, 22.0)):
            if _in_side_street(street, side, s_m, s_m) is None:
                tall = height * float(rng.uniform(0.8, 1.2))
                things.trees.append(
                    _tree(rng, character, float(s_m), side * (kerb + 0.4), tall)
                )
    for s_m in np.sort(rng.uniform(5.0, 110.0, int(rng.integers(5, 15)))):
        _add_sign(rng, things, float(s_m), side * float(kerb + rng.uniform(-0.1, 0.8)), metal)
    if rng.random() < 0.4:
        begin = float(rng.uniform(2.0, 40.0))
        for s_m in np.arange(begin, begin + rng.uniform(6.0, 30.0), rng.uniform(1.5, 3.0)):
            things.poles.append(Pole(float(s_m), side * (kerb - 0.1), 1.0, 0.07, 'bollard', metal))
    if rng.random() < 0.45:
        begin = float(rng.uniform(0.0, 40.0))
        if _in_side_street(street, side, begin, begin + 20.0) is None:
            variant = int(rng.choice([0, 2, 4, 6]))
            length = float(rng.uniform(6.0, 20.0))
            things.barriers.append(
                Barrier(begin, begin + length, side * (kerb - 0.2), 1.1, False, variant)
            )


def _add_sign(
    rng: Generator, things: _Things, s_m: float, lateral_m: float, metal: Tint
) -> None:
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
            Sign(s_m, lateral_m, base, width, width * float(rng.uniform(0.6, 1.5)), False,
                 6 + variant % 12)
        )


def _fill_background(rng: Generator, street: Street, things: _Things) -> None:
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


def _lanes(street: Street) -> tuple[float, float]:
    """Lateral centres of the own and the oncoming lane."""
    left, right = street.left_m * 0.5, street.right_m * 0.5
    return (left, right) if street.drives_left else (right, left)


def own_lateral_m(street: Street) -> float:
    """Lateral place of the own car."""
    return (street.left_m if street.drives_left else street.right_m) * 0.45


def _vehicle(
    rng: Generator, s_m: float, lateral_m: float, heading_rad: float, speed_m_s: float
) -> Vehicle:
    kind = str(rng.choice(_VEHICLES, p=_VEHICLE_SHARES))
    return Vehicle(
        s_m, lateral_m, kind, heading_rad, speed_m_s, _pick(rng, _PAINTS),
        float(rng.uniform(0.93, 1.07)), bool(rng.random() < 0.3),
    )


def _add_traffic(
    rng: Generator, street: Street, character: Character, things: _Things
) -> None:
    """Parked and moving vehicles."""
    for side in (-1, 1):
        edge = (street.right_m if side > 0 else street.left_m) - side * 1.05
        wide = street.right_m - street.left_m > 7.5
        s_m = float(rng.uniform(5.0, 14.0))
        while s_m < 110.0 and wide:
            if rng.random() < character.parked and _in_side_street(
                street, side, s_m - 4, s_m + 4
            ) is None:
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


def _add_people(
    rng: Generator, street: Street, character: Character, things: _Things
) -> None:
    """Pedestrians on the pavements, some crossing, and cyclists near the kerb."""
    for _ in range(int(rng.poisson(character.people))):
        side = int(rng.choice([-1, 1]))
        s_m = 4.0 + float(rng.uniform(0.0, 1.0)) ** 1.4 * 75.0
        kerb = street.right_m if side > 0 else -street.left_m
        lateral = side * float(rng.uniform(kerb + 0.7, _edge(street, side) - 0.2))
        heading = float(rng.choice([0.0, math.pi]))
        if rng.random() < 0.08:
            lateral, heading = float(rng.uniform(street.left_m, street.right_m)), math.pi / 2
        things.walkers.append(
            Walker(s_m, lateral, float(np.clip(rng.normal(1.7, 0.1), 1.1, 2.0)), heading,
                   float(rng.uniform(0.8, 1.7)), False, int(rng.integers(0, 999)),
                   _pick(rng, _CLOTHES))
        )
    for _ in range(int(rng.poisson(character.cyclists))):
        left_side = bool(rng.random() < 0.5)
        lateral = street.left_m + 1.1 if left_side else street.right_m - 1.1
        heading = 0.0 if left_side == street.drives_left else math.pi
        if rng.random() < 0.15:
            lateral, heading = float(rng.uniform(-2.0, 2.0)), math.pi / 2
        things.walkers.append(
            Walker(float(rng.uniform(6.0, 60.0)), lateral, float(rng.uniform(1.6, 1.85)),
                   heading + float(rng.normal(0, 0.12)), float(rng.uniform(3.0, 6.0)), True,
                   int(rng.integers(0, 999)), _pick(rng, _CLOTHES))
        )
