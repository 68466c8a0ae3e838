# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The description of a street: frozen, validated, in street coordinates.

Street coordinates of a point are (s_m, lateral_m): metres along the street and metres to the
right of the centre line. World x = lateral_m + curvature * s_m^2 / 2, world z = s_m.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from depthforge_trainer.street.camera import check_range

Tint = tuple[float, float, float]

_FAR_M = 1e4
BUILDING_STYLES = ('house', 'shop', 'office', 'wall')
TREE_KINDS = ('leafy', 'bare', 'conifer')
POLE_KINDS = ('lamp', 'plain', 'bollard')
VEHICLE_KINDS = ('hatchback', 'saloon', 'estate', 'van', 'bus', 'truck')


def _check_tint(owner: str, tint: Tint) -> None:
    if len(tint) != 3:
        raise ValueError(
            f'{owner}.tint has {len(tint)} numbers, expected 3 (red, green, blue); give a triple'
        )
    for value in tint:
        check_range(owner, 'tint', value, 0.0, 2.0)


def _check_choice(owner: str, name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f'{owner}.{name} is {value!r}, expected one of {choices}; choose one')


def _check_place(owner: str, s_m: float, lateral_m: float) -> None:
    check_range(owner, 's_m', s_m, -_FAR_M, _FAR_M)
    check_range(owner, 'lateral_m', lateral_m, -300.0, 300.0)


def _check_span(owner: str, begin_m: float, end_m: float) -> None:
    check_range(owner, 'begin_m', begin_m, -_FAR_M, _FAR_M)
    if not begin_m < end_m <= _FAR_M:
        raise ValueError(
            f'{owner}.end_m is {end_m!r}, expected more than begin_m = {begin_m!r}; swap them'
        )


@dataclass(frozen=True)
class SideStreet:
    """A road that leaves the street at a right angle; side is -1 (left) or 1 (right)."""

    begin_m: float
    end_m: float
    side: int

    def __post_init__(self) -> None:
        """Check the span and the side."""
        _check_span('SideStreet', self.begin_m, self.end_m)
        if self.side not in (-1, 1):
            raise ValueError(f'SideStreet.side is {self.side!r}, expected -1 or 1; give one')


@dataclass(frozen=True)
class Street:
    """The ground: a road between kerbs, pavements, verges and side streets."""

    left_m: float = -4.0
    right_m: float = 4.0
    pavement_m: tuple[float, float] = (2.5, 2.5)
    verge_m: tuple[float, float] = (0.0, 0.0)
    kerb_m: float = 0.12
    curvature_per_m: float = 0.0
    begin_m: float = -10.0
    end_m: float = 160.0
    side_streets: tuple[SideStreet, ...] = ()
    marking_seed: int = 0
    drives_left: bool = False
    asphalt: Tint = (0.3, 0.3, 0.31)
    paving: Tint = (0.4, 0.39, 0.37)

    def __post_init__(self) -> None:
        """Check widths, kerb, curvature, span and colours."""
        check_range('Street', 'left_m', self.left_m, -30.0, -1.0)
        check_range('Street', 'right_m', self.right_m, 1.0, 30.0)
        for name, pair in (('pavement_m', self.pavement_m), ('verge_m', self.verge_m)):
            for value in pair:
                check_range('Street', name, value, 0.0, 20.0)
        check_range('Street', 'kerb_m', self.kerb_m, 0.02, 0.25)
        check_range('Street', 'curvature_per_m', self.curvature_per_m, -0.01, 0.01)
        _check_span('Street', self.begin_m, self.end_m)
        _check_tint('Street', self.asphalt)
        _check_tint('Street', self.paving)

    def x_m(self, s_m: float, lateral_m: float) -> float:
        """World x of a place on the street, metres."""
        return lateral_m + 0.5 * self.curvature_per_m * s_m * s_m


@dataclass(frozen=True)
class Conditions:
    """Light and weather: daylight 0 is night-like dusk and 1 is full day."""

    daylight: float = 1.0
    sun_azimuth_rad: float = 0.6
    sun_elevation_rad: float = 0.7
    cloudiness: float = 0.3
    haze_per_m: float = 0.001
    exposure: float = 1.0
    contrast: float = 1.0
    white_balance: Tint = (1.0, 1.0, 1.0)
    noise: float = 1.0
    blur_px: float = 0.4
    vignette: float = 0.2
    cloud_seed: int = 0

    def __post_init__(self) -> None:
        """Check every field against its range."""
        check_range('Conditions', 'daylight', self.daylight, 0.0, 1.0)
        check_range('Conditions', 'sun_azimuth_rad', self.sun_azimuth_rad, -4.0, 4.0)
        check_range('Conditions', 'sun_elevation_rad', self.sun_elevation_rad, 0.1, 1.5)
        check_range('Conditions', 'cloudiness', self.cloudiness, 0.0, 1.0)
        check_range('Conditions', 'haze_per_m', self.haze_per_m, 0.0, 0.05)
        check_range('Conditions', 'exposure', self.exposure, 0.1, 10.0)
        check_range('Conditions', 'contrast', self.contrast, 0.4, 2.5)
        check_range('Conditions', 'noise', self.noise, 0.0, 8.0)
        check_range('Conditions', 'blur_px', self.blur_px, 0.0, 3.0)
        check_range('Conditions', 'vignette', self.vignette, 0.0, 0.8)
        _check_tint('Conditions', self.white_balance)


@dataclass(frozen=True)
class Building:
    """A box along the street from begin_m to end_m; its front stands at lateral_m."""

    begin_m: float
    end_m: float
    lateral_m: float
    height_m: float
    style: str = 'house'
    variant: int = 0
    tint: Tint = (0.6, 0.5, 0.4)
    roof_m: float = 0.0
    lit: float = 0.3

    def __post_init__(self) -> None:
        """Check span, height, style and colour."""
        _check_span('Building', self.begin_m, self.end_m)
        check_range('Building', 'lateral_m', self.lateral_m, -300.0, 300.0)
        check_range('Building', 'height_m', self.height_m, 0.3, 150.0)
        check_range('Building', 'roof_m', self.roof_m, 0.0, 12.0)
        check_range('Building', 'lit', self.lit, 0.0, 1.0)
        _check_choice('Building', 'style', self.style, BUILDING_STYLES)
        _check_tint('Building', self.tint)


@dataclass(frozen=True)
class Tree:
    """A tree: trunk and crown."""

    s_m: float
    lateral_m: float
    height_m: float = 8.0
    kind: str = 'leafy'
    variant: int = 0
    tint: Tint = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        """Check place, height, kind and colour."""
        _check_place('Tree', self.s_m, self.lateral_m)
        check_range('Tree', 'height_m', self.height_m, 0.3, 40.0)
        _check_choice('Tree', 'kind', self.kind, TREE_KINDS)
        _check_tint('Tree', self.tint)


@dataclass(frozen=True)
class Barrier:
    """A hedge (label tree) or a fence (label fence) along the street, or across it."""

    begin_m: float
    end_m: float
    lateral_m: float
    height_m: float = 1.2
    hedge: bool = False
    variant: int = 0
    tint: Tint = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        """Check span, height and colour."""
        _check_span('Barrier', self.begin_m, self.end_m)
        check_range('Barrier', 'lateral_m', self.lateral_m, -300.0, 300.0)
        check_range('Barrier', 'height_m', self.height_m, 0.1, 12.0)
        _check_tint('Barrier', self.tint)


@dataclass(frozen=True)
class Pole:
    """A street lamp, a plain pole or a bollard; the lamp's arm reaches over the road."""

    s_m: float
    lateral_m: float
    height_m: float = 7.0
    radius_m: float = 0.06
    kind: str = 'plain'
    tint: Tint = (0.4, 0.4, 0.4)

    def __post_init__(self) -> None:
        """Check place, size, kind and colour."""
        _check_place('Pole', self.s_m, self.lateral_m)
        check_range('Pole', 'height_m', self.height_m, 0.3, 20.0)
        check_range('Pole', 'radius_m', self.radius_m, 0.01, 0.5)
        _check_choice('Pole', 'kind', self.kind, POLE_KINDS)
        _check_tint('Pole', self.tint)


@dataclass(frozen=True)
class Sign:
    """A sign board or a traffic light head facing the traffic; base_m is its lower edge."""

    s_m: float
    lateral_m: float
    base_m: float
    width_m: float
    height_m: float
    light: bool = False
    variant: int = 0

    def __post_init__(self) -> None:
        """Check place and size."""
        _check_place('Sign', self.s_m, self.lateral_m)
        check_range('Sign', 'base_m', self.base_m, 0.0, 15.0)
        check_range('Sign', 'width_m', self.width_m, 0.1, 10.0)
        check_range('Sign', 'height_m', self.height_m, 0.1, 10.0)


@dataclass(frozen=True)
class Vehicle:
    """A car, van, bus or truck; speed along its heading, heading 0 is along +s."""

    s_m: float
    lateral_m: float
    kind: str = 'hatchback'
    heading_rad: float = 0.0
    speed_m_s: float = 0.0
    tint: Tint = (0.5, 0.5, 0.5)
    scale: float = 1.0
    braking: bool = False

    def __post_init__(self) -> None:
        """Check place, kind, motion and colour."""
        _check_place('Vehicle', self.s_m, self.lateral_m)
        _check_choice('Vehicle', 'kind', self.kind, VEHICLE_KINDS)
        check_range('Vehicle', 'heading_rad', self.heading_rad, -4.0, 4.0)
        check_range('Vehicle', 'speed_m_s', self.speed_m_s, -40.0, 40.0)
        check_range('Vehicle', 'scale', self.scale, 0.7, 1.4)
        _check_tint('Vehicle', self.tint)


@dataclass(frozen=True)
class Walker:
    """A pedestrian, or a cyclist with a bicycle when riding is set."""

    s_m: float
    lateral_m: float
    height_m: float = 1.75
    heading_rad: float = 0.0
    speed_m_s: float = 1.3
    riding: bool = False
    variant: int = 0
    tint: Tint = (0.4, 0.4, 0.4)

    def __post_init__(self) -> None:
        """Check place, height, motion and colour."""
        _check_place('Walker', self.s_m, self.lateral_m)
        check_range('Walker', 'height_m', self.height_m, 0.8, 2.2)
        check_range('Walker', 'heading_rad', self.heading_rad, -4.0, 4.0)
        check_range('Walker', 'speed_m_s', self.speed_m_s, 0.0, 15.0)
        _check_tint('Walker', self.tint)


@dataclass(frozen=True)
class Obstacle:
    """A box of no class on the ground, such as a crate or a log; its label is 255."""

    s_m: float
    lateral_m: float
    width_m: float
    height_m: float
    length_m: float
    texture: str = 'plain'
    """Name in the bank."""
    tint: Tint = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        """Check place, size and colour."""
        _check_place('Obstacle', self.s_m, self.lateral_m)
        for name in ('width_m', 'height_m', 'length_m'):
            check_range('Obstacle', name, getattr(self, name), 0.05, 5.0)
        _check_tint('Obstacle', self.tint)


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
