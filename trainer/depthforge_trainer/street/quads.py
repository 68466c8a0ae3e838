# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""From a scene to textured parallelograms in world axes (x right, y up, z along, metres)."""

from __future__ import annotations

from dataclasses import dataclass

from depthforge_trainer.street import bank
from depthforge_trainer.street.camera import Float64Array
from depthforge_trainer.street.scene import Tint
import numpy as np
import numpy.typing as npt

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """
    What a parallelogram looks like.

    texture: name in the bank. repeats: of the texture along right and down. glow: light of its
    own in units of daylight white. lit: share of the repeats whose lit texels glow.
    soft: shade as foliage or cloth, without regard to the direction of the plane.
    """

    label: int
    texture: str
    tint: Tint = (1.0, 1.0, 1.0)
    repeats: tuple[float, float] = (1.0, 1.0)
    glow: float = 0.0
    lit: float = 1.0
    soft: bool = False


@dataclass(frozen=True)
class Quads:
    """
    N parallelograms as arrays; point(u, v) = corner + u * right + v * down, u, v in [0, 1].

    corner, right, down: (N, 3) float64 metres. label, texture: (N,) int32. tint: (N, 3) float32
    linear. repeats: (N, 2) float32. glow, lit: (N,) float32. soft: (N,) bool.
    """

    corner: Float64Array
    right: Float64Array
    down: Float64Array
    label: npt.NDArray[np.int32]
    texture: npt.NDArray[np.int32]
    tint: npt.NDArray[np.float32]
    repeats: npt.NDArray[np.float32]
    glow: npt.NDArray[np.float32]
    lit: npt.NDArray[np.float32]
    soft: npt.NDArray[np.bool_]


class QuadList:
    """Collects parallelograms."""

    def __init__(self) -> None:
        """Start empty."""
        self._places: list[tuple[Vector, Vector, Vector]] = []
        self._looks: list[Look] = []

    def add(self, corner: Vector, right: Vector, down: Vector, look: Look) -> None:
        """Add the parallelogram with its upper left corner and its edges, metres."""
        self._places.append((corner, right, down))
        self._looks.append(look)

    def upright(
        self,
        begin: tuple[float, float],
        end: tuple[float, float],
        low_m: float,
        high_m: float,
        look: Look,
    ) -> None:
        """Add an upright rectangle over the ground line from begin to end, both (x, z)."""
        self.add(
            (begin[0], high_m, begin[1]),
            (end[0] - begin[0], 0.0, end[1] - begin[1]),
            (0.0, low_m - high_m, 0.0),
            look,
        )

    def arrays(self) -> Quads:
        """Everything that was added."""
        places = np.array(self._places, np.float64).reshape(-1, 3, 3)
        names = bank.atlas().names
        looks = self._looks
        tint = np.array([look.tint for look in looks], np.float32).reshape(-1, 3)
        return Quads(
            corner=places[:, 0],
            right=places[:, 1],
            down=places[:, 2],
            label=np.array([look.label for look in looks], np.int32),
            texture=np.array([names[look.texture] for look in looks], np.int32),
            tint=tint**2.2,
            repeats=np.array([look.repeats for look in looks], np.float32).reshape(-1, 2),
            glow=np.array([look.glow for look in looks], np.float32),
            lit=np.array([look.lit for look in looks], np.float32),
            soft=np.array([look.soft for look in looks], np.bool_),
        )
