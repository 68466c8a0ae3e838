# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Parallelograms of vehicles, pedestrians and cyclists at a point in time."""

from __future__ import annotations

import math

from depthforge_trainer.street import figures
from depthforge_trainer.street.camera import BICYCLIST, CAR, PEDESTRIAN
from depthforge_trainer.street.profiles import INSET_M, Profile, PROFILES
from depthforge_trainer.street.quads import Look, QuadList, Vector
from depthforge_trainer.street.scene import Scene, Street, Vehicle, Walker

_STEPS_PER_M = 2.4


def place(street: Street, mover: Vehicle | Walker, time_s: float) -> tuple[float, float, float]:
    """World x, z in metres and heading in radians of a mover at time_s."""
    way_m = mover.speed_m_s * time_s
    s_m = mover.s_m + way_m * math.cos(mover.heading_rad)
    lateral_m = mover.lateral_m + way_m * math.sin(mover.heading_rad)
    bend = math.atan(street.curvature_per_m * s_m)
    return street.x_m(s_m, lateral_m), s_m, mover.heading_rad + bend


def add_movers(quads: QuadList, scene: Scene, time_s: float, dusk: float) -> None:
    """Add all movers; dusk in [0, 1] is how much lamps are on."""
    for vehicle in scene.vehicles:
        _add_vehicle(quads, scene.street, vehicle, time_s, dusk)
    for walker in scene.walkers:
        _add_walker(quads, scene.street, walker, time_s)


class _Body:
    """Maps (forward, up, right) metres of a vehicle to world axes."""

    def __init__(self, x: float, z: float, heading_rad: float, scale: float) -> None:
        self._origin = (x, z)
        self._sin, self._cos = math.sin(heading_rad) * scale, math.cos(heading_rad) * scale
        self._scale = scale

    def point(self, forward: float, up: float, right: float) -> Vector:
        x, _, z = self.vector(forward, up, right)
        return (self._origin[0] + x, up * self._scale, self._origin[1] + z)

    def vector(self, forward: float, up: float, right: float) -> Vector:
        return (
            forward * self._sin + right * self._cos,
            up * self._scale,
            forward * self._cos - right * self._sin,
        )


def _add_vehicle(
    quads: QuadList, street: Street, vehicle: Vehicle, time_s: float, dusk: float
) -> None:
    profile = PROFILES[vehicle.kind]
    x, z, heading = place(street, vehicle, time_s)
    body = _Body(x, z, heading, vehicle.scale)
    on = dusk if vehicle.speed_m_s != 0 else 0.0
    _add_skins(quads, body, profile, vehicle, on)
    inset = INSET_M if profile.top_m < 2.0 else 0.0
    length, rise = profile.front_m - profile.rear_m, profile.top_m - profile.belt_m
    half = profile.width_m / 2
    low = Look(CAR, f'{vehicle.kind}_side', vehicle.tint, glow=0.4 * on)
    top = Look(CAR, f'{vehicle.kind}_top', vehicle.tint)
    for side in (-1.0, 1.0):
        along = body.vector(length, 0.0, 0.0)
        corner = body.point(profile.rear_m, profile.belt_m, side * half)
        quads.add(corner, along, body.vector(0.0, -profile.belt_m, 0.0), low)
        corner = body.point(profile.rear_m, profile.top_m, side * (half - inset))
        quads.add(corner, along, body.vector(0.0, -rise, side * inset), top)


def _add_skins(
    quads: QuadList, body: _Body, profile: Profile, vehicle: Vehicle, on: float
) -> None:
    """Add the strips from the front over the roof to the rear."""
    points = profile.outline
    tall = profile.top_m > 2.0
    for first, second, skin in zip(points[:-1], points[1:], profile.skins, strict=True):
        upper, lower = (first, second) if first[1] >= second[1] else (second, first)
        half = profile.width_m / 2
        name, glow = skin, 0.0
        if skin in ('front', 'rear'):
            lower = (lower[0], 0.0)
            braking = 0.3 if skin == 'rear' and vehicle.braking else 0.0
            glow = max(2.2 * on if skin == 'front' else 0.7 * on, braking)
        elif skin.endswith('screen') and tall:
            name = 'flat_screen'
        elif lower[1] > profile.belt_m + 0.3 and not tall:
            half -= INSET_M
        look = Look(CAR, name, vehicle.tint, glow=glow)
        quads.add(
            body.point(upper[0], upper[1], -half),
            body.vector(0.0, 0.0, 2 * half),
            body.vector(lower[0] - upper[0], lower[1] - upper[1], 0.0),
            look,
        )


def _add_walker(quads: QuadList, street: Street, walker: Walker, time_s: float) -> None:
    x, z, heading = place(street, walker, time_s)
    tall = walker.height_m
    if walker.riding:
        index = walker.variant % figures.CYCLISTS
        ahead = (math.sin(heading) * 0.53 * tall, math.cos(heading) * 0.53 * tall)
        side = Look(BICYCLIST, f'cyclist_side{index}', walker.tint, soft=True)
        begin, end = (x - ahead[0], z - ahead[1]), (x + ahead[0], z + ahead[1])
        quads.upright(begin, end, 0.0, 1.06 * tall, side)
        across = (ahead[1] * 0.375, -ahead[0] * 0.375)
        back = Look(BICYCLIST, f'cyclist_back{index}', walker.tint, soft=True)
        begin, end = (x - across[0], z - across[1]), (x + across[0], z + across[1])
        quads.upright(begin, end, 0.0, 1.06 * tall, back)
        return
    stride = int(walker.speed_m_s * time_s * _STEPS_PER_M + walker.variant) % figures.STRIDES
    name = f'walker{walker.variant % figures.PEOPLE}_{stride}'
    half = 0.25 * tall if math.sin(walker.heading_rad) >= 0 else -0.25 * tall
    look = Look(PEDESTRIAN, name, walker.tint, soft=True)
    quads.upright((x - half, z), (x + half, z), 0.0, tall, look)
