# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The 19 common corruptions in five severities (Hendrycks and Dietterich, ICLR 2019).

They are those of the package imagecorruptions, with the settings of Michaelis et al.
(arXiv 1907.07484), as Cityscapes-C has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import difflib
from typing import Any

from depthforge_ros.errors import UserError
import numpy as np
import numpy.typing as npt

NAMES = (
    'gaussian_noise', 'shot_noise', 'impulse_noise', 'defocus_blur', 'glass_blur', 'motion_blur',
    'zoom_blur', 'snow', 'frost', 'fog', 'brightness', 'contrast', 'elastic_transform', 'pixelate',
    'jpeg_compression', 'speckle_noise', 'gaussian_blur', 'spatter', 'saturate',
)  # fmt: skip
ALL = 'all'
SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """One corruption; calling it corrupts an image."""

    name: str
    severity: int
    """1 to 5."""
    corrupt: Callable[..., npt.NDArray[Any]]

    def __call__(self, rgb: npt.NDArray[np.uint8], index: int) -> npt.NDArray[np.uint8]:
        """
        Corrupt RGB uint8 (H, W, 3), with the same noise for the same index.

        Only impulse_noise and glass_blur draw anew at each call: their libraries take no seed.
        """
        np.random.seed(index)
        changed = self.corrupt(rgb, corruption_name=self.name, severity=self.severity)
        return np.ascontiguousarray(changed, np.uint8)


def corruptions(name: str, severity: int | None) -> Sequence[Corruption]:
    """
    Find a corruption, or `all`, in one severity or in each.

    Raises UserError for an unknown name or severity, and where the package is not installed.
    """
    if name not in (*NAMES, ALL):
        nearest = difflib.get_close_matches(name, NAMES, n=1)
        hint = f'; did you mean {nearest[0]}?' if nearest else f'; choose {ALL} or one of them'
        raise UserError(f'corruption {name!r} is none of {", ".join(NAMES)}{hint}')
    if severity is not None and severity not in SEVERITIES:
        raise UserError(f'severity {severity} is not known; choose 1 (weak) to 5 (strong)')
    try:
        from imagecorruptions import corrupt
    except ImportError as error:
        raise UserError(
            f'corruptions need a package that cannot be imported ({error}); pip install '
            "'depthforge_ros[corruptions]'"
        ) from error
    severities = SEVERITIES if severity is None else (severity,)
    names = NAMES if name == ALL else (name,)
    return [Corruption(one, level, corrupt) for one in names for level in severities]
