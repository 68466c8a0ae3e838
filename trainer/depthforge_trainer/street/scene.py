# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The description of a street: frozen, validated, in street coordinates.

Street coordinates of a point are (s_m, lateral_m): metres along the street and metres to the
right of the centre line. World x = lateral_m + curvature * s_m^2 / 2, world z = s_m.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, get_type_hints

from depthforge_trainer.street.camera import check_range


@dataclass(frozen=True)
class Range:
    """Least and most of a number, or of each number of a tuple."""

    low: float
    high: float

    def check(self, owner: str, name: str, value: float | tuple[float, ...]) -> None:
        """Raise ValueError for a number outside."""
        for one in value if isinstance(value, tuple) else (value,):
            check_range(owner, name, one, self.low, self.high)


class Choice:
    """The values that are allowed."""

    def __init__(self, *values: str | int) -> None:
        self._values = values

    def check(self, owner: str, name: str, value: str | int) -> None:
        """Raise ValueError for another value."""
        if value not in self._values:
            raise ValueError(
                f'{owner}.{name} is {value!r}, expected one of {self._values}; choose one'
            )


Tint = Annotated[tuple[float, float, float], Range(0.0, 2.0)]
"""Factors of red, green and blue."""
Along = Annotated[float, Range(-1e4, 1e4)]
Lateral = Annotated[float, Range(-300.0, 300.0)]
Angle = Annotated[float, Range(-4.0, 4.0)]
Share = Annotated[float, Range(0.0, 1.0)]
Pair = Annotated[tuple[float, float], Range(0.0, 20.0)]
"""Metres on the left and on the right."""
Size = Annotated[float, Range(0.05, 5.0)]


class Checked:
    """Checks its fields against the limits in their types."""

    _limits: ClassVar[Mapping[str, Range | Choice]] = {}

    def __init_subclass__(cls) -> None:
        """Read the limits."""
        hints = get_type_hints(cls, include_extras=True)
        cls._limits = {
            name: hint.__metadata__[0]
            for name, hint in hints.items()
            if hasattr(hint, '__metadata__')
        }

    def __post_init__(self) -> None:
        """Raise ValueError, which names the field, for a value that is not allowed."""
        for name, limit in self._limits.items():
            limit.check(type(self).__name__, name, getattr(self, name))


@dataclass(frozen=True)
class Stretch(Checked):
    """What lies along the street."""

    begin_m: Along
    end_m: Along

    def __post_init__(self) -> None:
        """Check the order of the ends too."""
        super().__post_init__()
        if not self.begin_m < self.end_m:
            raise ValueError(
                f'{type(self).__name__}.end_m is {self.end_m!r}, expected more than begin_m = '
                f'{self.begin_m!r}; swap them'
            )


@dataclass(frozen=True)
class Placed(Checked):
    """What stands at a place on the street."""

    s_m: Along
    lateral_m: Lateral


@dataclass(frozen=True)
class SideStreet(Stretch):
    """A road that leaves the street at a right angle; side is -1 (left) or 1 (right)."""

    side: Annotated[int, Choice(-1, 1)]


@dataclass(frozen=True)
class Street(Stretch):
    """The ground: a road between kerbs, pavements, verges and side streets."""

    begin_m: Along = -10.0
    end_m: Along = 160.0
    left_m: Annotated[float, Range(-30.0, -1.0)] = -4.0
    right_m: Annotated[float, Range(1.0, 30.0)] = 4.0
    pavement_m: Pair = (2.5, 2.5)
    verge_m: Pair = (0.0, 0.0)
    kerb_m: Annotated[float, Range(0.02, 0.25)] = 0.12
    curvature_per_m: Annotated[float, Range(-0.01, 0.01)] = 0.0
    side_streets: tuple[SideStreet, ...] = ()
    marking_seed: int = 0
    drives_left: bool = False
    asphalt: Tint = (0.3, 0.3, 0.31)
    paving: Tint = (0.4, 0.39, 0.37)

    def x_m(self, s_m: float, lateral_m: float) -> float:
        """World x of a place on the street, metres."""
        return lateral_m + 0.5 * self.curvature_per_m * s_m * s_m


@dataclass(frozen=True)
class Conditions(Checked):
    """Light and weather: daylight 0 is night-like dusk and 1 is full day."""

    daylight: Share = 1.0
    sun_azimuth_rad: Angle = 0.6
    sun_elevation_rad: Annotated[float, Range(0.1, 1.5)] = 0.7
    cloudiness: Share = 0.3
    haze_per_m: Annotated[float, Range(0.0, 0.05)] = 0.001
    exposure: Annotated[float, Range(0.1, 10.0)] = 1.0
    contrast: Annotated[float, Range(0.4, 2.5)] = 1.0
    white_balance: Tint = (1.0, 1.0, 1.0)
    noise: Annotated[float, Range(0.0, 8.0)] = 1.0
    blur_px: Annotated[float, Range(0.0, 3.0)] = 0.4
    vignette: Annotated[float, Range(0.0, 0.8)] = 0.2
    cloud_seed: int = 0


@dataclass(frozen=True)
class Building(Stretch):
    """A box along the street from begin_m to end_m; its front stands at lateral_m."""

    lateral_m: Lateral
    height_m: Annotated[float, Range(0.3, 150.0)]
    style: Annotated[str, Choice('house', 'shop', 'office', 'wall')] = 'house'
    variant: int = 0
    tint: Tint = (0.6, 0.5, 0.4)
    roof_m: Annotated[float, Range(0.0, 12.0)] = 0.0
    lit: Share = 0.3


@dataclass(frozen=True)
class Tree(Placed):
    """A tree: trunk and crown."""

    height_m: Annotated[float, Range(0.3, 40.0)] = 8.0
    kind: Annotated[str, Choice('leafy', 'bare', 'conifer')] = 'leafy'
    variant: int = 0
    tint: Tint = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Barrier(Stretch):
    """A hedge (label tree) or a fence (label fence) along the street, or across it."""

    lateral_m: Lateral
    height_m: Annotated[float, Range(0.1, 12.0)] = 1.2
    hedge: bool = False
    variant: int = 0
    tint: Tint = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Pole(Placed):
    """A street lamp, a plain pole or a bollard; the lamp's arm reaches over the road."""

    height_m: Annotated[float, Range(0.3, 20.0)] = 7.0
    radius_m: Annotated[float, Range(0.01, 0.5)] = 0.06
    kind: Annotated[str, Choice('lamp', 'plain', 'bollard')] = 'plain'
    tint: Tint = (0.4, 0.4, 0.4)


@dataclass(frozen=True)
class Sign(Placed):
    """A sign board or a traffic light head facing the traffic; base_m is its lower edge."""

    base_m: Annotated[float, Range(0.0, 15.0)]
    width_m: Annotated[float, Range(0.1, 10.0)]
    height_m: Annotated[float, Range(0.1, 10.0)]
    light: bool = False
    variant: int = 0


@dataclass(frozen=True)
class Vehicle(Placed):
    """A car, van, bus or truck; speed along its heading, heading 0 is along +s."""

    kind: Annotated[str, Choice('hatchback', 'saloon', 'estate', 'van', 'bus', 'truck')] = (
        'hatchback'
    )
    heading_rad: Angle = 0.0
    speed_m_s: Annotated[float, Range(-40.0, 40.0)] = 0.0
    tint: Tint = (0.5, 0.5, 0.5)
    scale: Annotated[float, Range(0.7, 1.4)] = 1.0
    braking: bool = False


@dataclass(frozen=True)
class Walker(Placed):
    """A pedestrian, or a cyclist with a bicycle when riding is set."""

    height_m: Annotated[float, Range(0.8, 2.2)] = 1.75
    heading_rad: Angle = 0.0
    speed_m_s: Annotated[float, Range(0.0, 15.0)] = 1.3
    riding: bool = False
    variant: int = 0
    tint: Tint = (0.4, 0.4, 0.4)


@dataclass(frozen=True)
class Obstacle(Placed):
    """A box of no class on the ground, such as a crate or a log; its label is 255."""

    width_m: Size
    height_m: Size
    length_m: Size
    texture: str = 'plain'
    """Name in the bank."""
    tint: Tint = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Scene:
    """A whole street with everything in it."""

    street: Street
    conditions: Conditions = field(default_factory=Conditions)
    buildings: tuple[Building, ...] = ()
    trees: tuple[Tree, ...] = ()
    barriers: tuple[Barrier, ...] = ()
    poles: tuple[Pole, ...] = ()
    signs: tuple[Sign, ...] = ()
    vehicles: tuple[Vehicle, ...] = ()
    walkers: tuple[Walker, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
