# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The parameters of ~/grid."""

from __future__ import annotations

from dataclasses import dataclass, fields

from depthforge_ros.geometry.grid import GridShape
from depthforge_ros.ros.parameters.described import parameter


@dataclass(frozen=True)
class GridParameters:
    """Those of NodeConfig whose names begin with grid_."""

    grid_resolution_m: float = parameter(
        GridShape.resolution_m, 'Of ~/grid: side of a cell, metres.', within=(0.02, 5.0)
    )
    grid_length_m: float = parameter(
        GridShape.length_m,
        'Of ~/grid: from below the camera forward, metres.',
        within=(1.0, 200.0),
    )
    grid_width_m: float = parameter(
        GridShape.width_m, 'Of ~/grid: half to each side, metres.', within=(1.0, 200.0)
    )
    grid_min_height_m: float = parameter(
        GridShape.min_height_m,
        'Of ~/grid: lower things are no obstacle, metres above the road.',
        within=(0.05, 10.0),
    )
    grid_max_height_m: float = parameter(
        GridShape.max_height_m,
        'Of ~/grid: higher things are no obstacle, metres above the road.',
        within=(0.1, 100.0),
    )
    grid_margin_m: float = parameter(
        GridShape.margin_m,
        'Of ~/grid: free cells nearer than this to an occupied one are unknown, metres. Vehicles '
        'overhang the road that is seen below them.',
        within=(0.0, 5.0),
    )
    grid_decay_s: float = parameter(
        GridShape.decay_s,
        'Of ~/grid: how long a cell keeps its value while it is not seen, seconds. The vehicle '
        'moves meanwhile, and nothing makes up for that.',
        within=(0.0, 60.0),
    )
    grid_free_classes: str = parameter(
        '',
        "Of ~/grid: names of the drivable classes with commas between them; '' takes road, and "
        'its markings where they are a class.',
    )
    grid_occupied_classes: str = parameter(
        '',
        "Of ~/grid: names of classes that are obstacles; '' takes all that stand: not sky, "
        'sidewalk and terrain.',
    )
    grid_frame: str = parameter(
        '',
        "Of ~/grid: name of its frame on the road below the camera, x forward; '' leaves it in "
        "the image's frame, with the way from there as the grid's origin.",
    )

    @property
    def grid(self) -> GridShape:
        """Return the grid's cells; UserError for values that do not go together."""
        names = (one.name for one in fields(GridShape))
        return GridShape(**{name: getattr(self, f'grid_{name}') for name in names})
