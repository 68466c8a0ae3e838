# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Parallelograms of everything that stands: buildings, trees, barriers, poles, signs."""

from __future__ import annotations

import math

from depthforge_ros.labels import UNLABELLED
from depthforge_trainer.street import figures, textures
from depthforge_trainer.street.camera import BUILDING, FENCE, PAVEMENT, POLE, SIGN, TREE
from depthforge_trainer.street.ground import kerb_lines
from depthforge_trainer.street.quads import Look, QuadList
from depthforge_trainer.street.scene import (
    Barrier,
    Building,
    Obstacle,
    Pole,
    Scene,
    Sign,
    Street,
    Tree,
)

BUILDING_DEPTH_M = 9.0
_STOREY_M = {'house': 3.0, 'shop': 3.1, 'office': 3.4, 'wall': 3.0}


def add_statics(quads: QuadList, scene: Scene, dusk: float) -> None:
    """Add all static objects of a scene; dusk in [0, 1] is how much lamps are on."""
    street = scene.street
    for begin, end in kerb_lines(street):
        look = Look(PAVEMENT, 'plain', (0.5, 0.5, 0.49))
        quads.upright(begin, end, 0.0, street.kerb_m, look)
    for building in scene.buildings:
        _add_building(quads, street, building, dusk)
    for tree in scene.trees:
        _add_tree(quads, street, tree)
    for barrier in scene.barriers:
        _add_barrier(quads, street, barrier)
    for pole in scene.poles:
        _add_pole(quads, street, pole, dusk)
    for sign in scene.signs:
        _add_sign(quads, street, sign)
    for obstacle in scene.obstacles:
        _add_obstacle(quads, street, obstacle)


def _add_building(quads: QuadList, street: Street, building: Building, dusk: float) -> None:
    side = 1.0 if building.lateral_m > 0 else -1.0
    near = (street.x_m(building.begin_m, building.lateral_m), building.begin_m)
    far = (street.x_m(building.end_m, building.lateral_m), building.end_m)
    length = building.end_m - building.begin_m
    storey = _STOREY_M[building.style]
    tile = building.variant % textures.WALL_TILES
    shop = building.variant % textures.SHOP_TILES
    top, low = building.height_m, 0.0
    glow = 0.45 * dusk
    if building.style in ('house', 'shop') and top > storey:
        low = min(3.6 if building.style == 'shop' else 3.0, top)
        name = f'shop{shop}' if building.style == 'shop' else f'ground{shop}'
        repeats = (max(round(length / 6.0), 1), 1.0)
        lit = 0.75 if building.style == 'shop' else building.lit
        look = Look(BUILDING, name, building.tint, repeats, glow * 1.6, lit)
        quads.upright(near, far, 0.0, low, look)
    floors = max(round((top - low) / storey), 1)
    wall = Look(
        BUILDING,
        f'{building.style if building.style != "shop" else "house"}{tile}',
        building.tint,
        (max(round(length / storey), 1), floors),
        glow,
        building.lit,
    )
    if top > low:
        quads.upright(near, far, low, top, wall)
    back_m = side * BUILDING_DEPTH_M
    end_look = Look(BUILDING, f'wall{tile}', building.tint, (1.5, max(top / 3.0, 1.0)))
    quads.upright(near, (near[0] + back_m, near[1]), 0.0, top, end_look)
    if building.roof_m > 0:
        _add_roof(quads, building, near, far, back_m)


def _add_roof(
    quads: QuadList,
    building: Building,
    near: tuple[float, float],
    far: tuple[float, float],
    back_m: float,
) -> None:
    """Add a pitched roof whose ridge is parallel to the street, gables and chimneys."""
    top, rise, half = building.height_m, building.roof_m, back_m / 2
    length = building.end_m - building.begin_m
    roof = Look(
        BUILDING, f'roof{building.variant % textures.SHOP_TILES}', repeats=(length / 2.5, 2.5)
    )
    eaves = -0.3 if back_m > 0 else 0.3
    quads.add(
        (near[0] + half, top + rise, near[1]),
        (far[0] - near[0], 0.0, far[1] - near[1]),
        (eaves - half, -rise, 0.0),
        roof,
    )
    gable = Look(BUILDING, 'gable', building.tint)
    stack = Look(BUILDING, f'wall{building.variant % 2}', (0.55, 0.42, 0.36), (0.2, 0.4))
    for x, z in (near, far):
        quads.upright((x, z), (x + back_m, z), top, top + rise, gable)
        if building.variant % 3:
            quads.upright(
                (x + half - 0.45, z),
                (x + half + 0.45, z),
                top + 0.7 * rise,
                top + rise + 1.1,
                stack,
            )
            quads.upright(
                (x + half, z - 0.4), (x + half, z + 0.4), top + 0.7 * rise, top + rise + 1.1, stack
            )


def _add_tree(quads: QuadList, street: Street, tree: Tree) -> None:
    x, z, height = street.x_m(tree.s_m, tree.lateral_m), tree.s_m, tree.height_m
    if tree.kind == 'bare':
        look = Look(TREE, f'bare{tree.variant % figures.BARE_TREES}', soft=True)
        quads.upright((x - 0.45 * height, z), (x + 0.45 * height, z), 0.0, height, look)
        return
    crown = Look(TREE, f'{tree.kind}{tree.variant % textures.CROWNS}', tree.tint, soft=True)
    if tree.kind == 'conifer':
        half = 0.26 * height
        quads.upright((x - half, z), (x + half, z), 0.02 * height, height, crown)
        return
    trunk = 0.02 * height + 0.04
    stem = Look(TREE, 'bark', soft=True)
    quads.upright((x - trunk, z), (x + trunk, z), 0.0, 0.6 * height, stem)
    half = 0.3 * height
    for index in range(3):
        turn = tree.variant * 1.7 + index * 2.1
        dx, dz = 0.12 * height * math.cos(turn), 0.2 * height * math.sin(turn)
        low = (0.22 + 0.06 * (index % 2)) * height
        name = f'{tree.kind}{(tree.variant + index) % textures.CROWNS}'
        look = Look(TREE, name, tree.tint, soft=True)
        begin, end = (x + dx - half, z + dz), (x + dx + half, z + dz)
        quads.upright(begin, end, low, low + (0.66 + 0.04 * index) * height, look)


def _add_barrier(quads: QuadList, street: Street, barrier: Barrier) -> None:
    near = (street.x_m(barrier.begin_m, barrier.lateral_m), barrier.begin_m)
    far = (street.x_m(barrier.end_m, barrier.lateral_m), barrier.end_m)
    length, high = barrier.end_m - barrier.begin_m, barrier.height_m
    if not barrier.hedge:
        name = f'fence{barrier.variant % figures.FENCES}'
        look = Look(FENCE, name, barrier.tint, (max(round(length / 2.0), 1), 1.0))
        quads.upright(near, far, 0.0, high, look)
        return
    name = f'hedge{barrier.variant % textures.SHOP_TILES}'
    depth = 1.2 if barrier.lateral_m > 0 else -1.2
    repeats = (max(length / (2.6 * high), 0.3), 1.0)
    look = Look(TREE, name, barrier.tint, repeats, soft=True)
    quads.upright(near, far, 0.0, high, look)
    end = Look(TREE, name, barrier.tint, (abs(depth) / (2.6 * high), 1.0), soft=True)
    quads.upright(near, (near[0] + depth, near[1]), 0.0, high, end)


def _add_pole(quads: QuadList, street: Street, pole: Pole, dusk: float) -> None:
    x, z, radius = street.x_m(pole.s_m, pole.lateral_m), pole.s_m, pole.radius_m
    look = Look(POLE, 'pole', pole.tint)
    quads.upright((x - radius, z), (x + radius, z), 0.0, pole.height_m, look)
    if pole.kind != 'lamp':
        return
    reach = -1.6 if pole.lateral_m > 0 else 1.6
    top = pole.height_m
    arm = Look(POLE, 'plain', pole.tint)
    quads.add((x, top, z), (reach, 0.25, 0.0), (0.0, -0.09, 0.0), arm)
    head = Look(POLE, 'lamp', glow=3.0 * dusk)
    tip = x + reach
    quads.add((tip, top + 0.3, z), (0.28 * reach, 0.0, 0.0), (0.0, -0.16, 0.0), head)


def _add_sign(quads: QuadList, street: Street, sign: Sign) -> None:
    x, z = street.x_m(sign.s_m, sign.lateral_m), sign.s_m - 0.1
    if sign.light:
        look = Look(SIGN, f'light{sign.variant % figures.LIGHTS}', glow=1.2)
    else:
        look = Look(SIGN, f'board{sign.variant % figures.BOARDS}')
    half = sign.width_m / 2
    quads.upright((x - half, z), (x + half, z), sign.base_m, sign.base_m + sign.height_m, look)


def _add_obstacle(quads: QuadList, street: Street, obstacle: Obstacle) -> None:
    """Add front, sides and top of a box."""
    x, z = street.x_m(obstacle.s_m, obstacle.lateral_m), obstacle.s_m
    half, high, far = obstacle.width_m / 2, obstacle.height_m, z + obstacle.length_m
    look = Look(UNLABELLED, obstacle.texture, obstacle.tint)
    quads.upright((x - half, z), (x + half, z), 0.0, high, look)
    for side in (x - half, x + half):
        quads.upright((side, z), (side, far), 0.0, high, look)
    quads.add((x - half, high, far), (2 * half, 0.0, 0.0), (0.0, 0.0, z - far), look)
