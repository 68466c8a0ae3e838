# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Shapes of vehicles: one outline per kind."""

from __future__ import annotations

from dataclasses import dataclass

INSET_M = 0.16
"""How much narrower than the body the roof is on each side."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Profile:
    """
    The outline of a vehicle seen from its left side, in metres.

    outline: (forward, up) points from the lower front over the roof to the lower rear.
    skins: texture names of the outline's segments. belt_m: where the windows begin.
    panes: side windows as (rear, front) spans at the belt, each widening towards the belt.
    """

    width_m: float
    belt_m: float
    outline: tuple[Point, ...]
    skins: tuple[str, ...]
    wheels: tuple[float, ...]
    wheel_radius_m: float
    panes: tuple[tuple[float, float], ...]

    @property
    def top_m(self) -> float:
        """Height of the roof."""
        return max(point[1] for point in self.outline)

    @property
    def rear_m(self) -> float:
        """Forward coordinate of the rear end."""
        return min(point[0] for point in self.outline)

    @property
    def front_m(self) -> float:
        """Forward coordinate of the front end."""
        return max(point[0] for point in self.outline)


_CAR_SKINS = ('front', 'paint', 'screen', 'paint', 'rear_screen', 'rear')

PROFILES = {
    'hatchback': Profile(
        1.72,
        0.9,
        (
            (1.95, 0.22),
            (1.9, 0.76),
            (1.05, 0.93),
            (0.3, 1.43),
            (-1.35, 1.42),
            (-1.82, 0.92),
            (-1.9, 0.24),
        ),
        _CAR_SKINS,
        (1.22, -1.25),
        0.31,
        ((-1.6, -0.55), (-0.48, 0.8)),
    ),
    'saloon': Profile(
        1.78,
        0.9,
        (
            (2.25, 0.22),
            (2.2, 0.74),
            (1.2, 0.92),
            (0.4, 1.4),
            (-0.95, 1.38),
            (-1.6, 0.99),
            (-2.2, 0.93),
            (-2.25, 0.25),
        ),
        ('front', 'paint', 'screen', 'paint', 'rear_screen', 'paint', 'rear'),
        (1.4, -1.35),
        0.32,
        ((-1.4, -0.4), (-0.33, 0.95)),
    ),
    'estate': Profile(
        1.85,
        0.98,
        (
            (2.3, 0.25),
            (2.25, 0.85),
            (1.25, 1.02),
            (0.5, 1.62),
            (-1.85, 1.58),
            (-2.2, 1.0),
            (-2.25, 0.27),
        ),
        _CAR_SKINS,
        (1.4, -1.4),
        0.35,
        ((-2.0, -1.15), (-1.08, -0.2), (-0.13, 1.0)),
    ),
    'van': Profile(
        1.95,
        1.2,
        (
            (2.6, 0.28),
            (2.5, 1.05),
            (1.95, 1.25),
            (1.2, 2.1),
            (-2.55, 2.2),
            (-2.62, 1.2),
            (-2.65, 0.3),
        ),
        _CAR_SKINS,
        (1.7, -1.5),
        0.35,
        ((0.4, 1.7),),
    ),
    'bus': Profile(
        2.5,
        1.25,
        (
            (5.2, 0.3),
            (5.22, 1.2),
            (5.1, 2.7),
            (4.9, 2.95),
            (-5.1, 2.98),
            (-5.2, 1.3),
            (-5.2, 0.35),
        ),
        ('front', 'screen', 'paint', 'paint', 'rear_screen', 'rear'),
        (3.6, -2.8),
        0.48,
        ((-5.0, -3.5), (-3.4, -1.9), (-1.8, -0.3), (-0.2, 1.3), (1.4, 2.9), (3.0, 4.9)),
    ),
    'truck': Profile(
        2.4,
        1.5,
        (
            (4.0, 0.4),
            (4.0, 1.45),
            (3.8, 2.5),
            (2.6, 2.6),
            (2.55, 3.4),
            (-4.0, 3.4),
            (-4.0, 1.0),
            (-4.0, 0.5),
        ),
        ('front', 'screen', 'paint', 'paint', 'paint', 'paint', 'rear'),
        (3.0, -2.2, -3.2),
        0.48,
        ((2.75, 3.7),),
    ),
}
