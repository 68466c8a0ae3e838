# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The parameters of ~/lidar/points."""

from __future__ import annotations

from dataclasses import dataclass

from depthforge_ros.errors import UserError
from depthforge_ros.geometry.projection import rigid_transform
from depthforge_ros.ros.parameters.described import parameter
import numpy as np
import numpy.typing as npt

TF = 'tf'


@dataclass(frozen=True)
class LidarParameters:
    """Those of NodeConfig whose names begin with lidar_."""

    lidar_extrinsic: str = parameter(
        '',
        "Of ~/lidar/points: where the LiDAR is. '' leaves lidar unread; tf asks tf from the frame "
        'of the points to that of the image; or 12 numbers with spaces or commas between them, '
        'the rows of the 3 x 4 matrix that moves points into the optical frame, metres.',
    )
    lidar_max_offset_ms: float = parameter(
        50.0,
        'Of ~/lidar/points: most time between the stamps of points and image, milliseconds.',
        within=(0.0, 10_000.0),
    )

    @property
    def camera_from_lidar(self) -> npt.NDArray[np.float32] | None:
        """Return the matrix (3, 4); None where none is given, UserError where it is wrong."""
        if self.lidar_extrinsic in ('', TF):
            return None
        try:
            numbers = [float(one) for one in self.lidar_extrinsic.replace(',', ' ').split()]
        except ValueError as error:
            raise UserError(
                f'parameter lidar_extrinsic: {self.lidar_extrinsic!r} was given, allowed is '
                "'', tf, or 12 numbers"
            ) from error
        return rigid_transform(numbers, name='parameter lidar_extrinsic')
