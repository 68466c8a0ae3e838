# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What streets are drawn from: palettes, densities, and what was placed so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from depthforge_trainer.street.scene import (
    Barrier,
    Building,
    Pole,
    Sign,
    Tint,
    Tree,
    Vehicle,
    Walker,
)
import numpy as np

Generator = np.random.Generator

WALL_TINTS: tuple[Tint, ...] = (
    (0.68, 0.61, 0.5),
    (0.75, 0.71, 0.62),
    (0.5, 0.38, 0.33),
    (0.55, 0.45, 0.38),
    (0.85, 0.84, 0.81),
    (0.66, 0.64, 0.61),
    (0.5, 0.47, 0.44),
    (0.78, 0.74, 0.66),
    (0.42, 0.39, 0.37),
    (0.66, 0.6, 0.53),
    (0.62, 0.65, 0.67),
    (0.84, 0.8, 0.7),
)
PAINTS: tuple[Tint, ...] = (
    (0.12, 0.12, 0.13),
    (0.2, 0.21, 0.23),
    (0.55, 0.57, 0.6),
    (0.68, 0.7, 0.72),
    (0.85, 0.86, 0.86),
    (0.12, 0.17, 0.34),
    (0.5, 0.1, 0.1),
    (0.3, 0.33, 0.36),
    (0.16, 0.3, 0.25),
    (0.7, 0.12, 0.1),
    (0.2, 0.35, 0.55),
    (0.75, 0.65, 0.4),
)
CLOTHES: tuple[Tint, ...] = (
    (0.1, 0.1, 0.11),
    (0.18, 0.19, 0.24),
    (0.3, 0.27, 0.24),
    (0.16, 0.22, 0.38),
    (0.4, 0.14, 0.14),
    (0.45, 0.45, 0.45),
    (0.25, 0.3, 0.22),
    (0.45, 0.36, 0.26),
    (0.62, 0.62, 0.6),
    (0.3, 0.4, 0.5),
    (0.12, 0.12, 0.14),
    (0.7, 0.75, 0.2),
)


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
class Things:
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


def vary(rng: Generator, tint: Tint, amount: float) -> Tint:
    values = np.clip(np.array(tint) * (1 + rng.normal(0, amount)) + rng.normal(0, 0.018, 3), 0, 1)
    return (float(values[0]), float(values[1]), float(values[2]))


def dull(rng: Generator, gray: float, blue: float) -> Tint:
    shift = rng.normal(0, 0.008, 3)
    return (gray + float(shift[0]), gray + float(shift[1]), gray * blue + float(shift[2]))


def pick(rng: Generator, tints: tuple[Tint, ...]) -> Tint:
    return vary(rng, tints[int(rng.integers(len(tints)))], 0.15)
