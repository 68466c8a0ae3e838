# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Camera files as ROS camera_calibration writes them, with a few more keys for make-bag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthforge_ros.errors import require_above_0, UserError
from depthforge_ros.geometry.camera import Camera, fitted_coefficients, IDENTITY, MODEL_ALIASES
from depthforge_ros.labels import LABEL_SPACES
import yaml


@dataclass(frozen=True)
class DriveFile:
    """A camera file, and its optional keys on the images beside it."""

    camera: Camera
    rate_hz: float | None = None
    camera_height_m: float | None = None
    label_space: str | None = None
    depth_scale: float | None = None
    """Depth files hold depth_scale / metres, 0 = beyond range; else metres x 256, 0 = none."""

    def __post_init__(self) -> None:
        for name in ('rate_hz', 'camera_height_m', 'depth_scale'):
            value = getattr(self, name)
            if value is not None:
                require_above_0(value, f'camera file: {name} {value}')
        if self.label_space is not None and self.label_space not in LABEL_SPACES:
            raise UserError(
                f'camera file: label_space {self.label_space!r} is not known; choose one of '
                f'{", ".join(LABEL_SPACES)}'
            )


def read_drive_file(path: Path) -> DriveFile:
    """Read and check a camera YAML file."""
    try:
        fields = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(
            f'camera file {path} cannot be read ({" ".join(str(error).split())}); give a YAML '
            'file as camera_calibration writes it'
        ) from error
    if not isinstance(fields, dict):
        raise UserError(f'camera file {path} holds no keys; camera_calibration writes a mapping')
    try:
        return _drive_file(fields)
    except KeyError as error:
        raise UserError(f'camera file {path} lacks the key {error}; add it') from error
    except UserError as error:
        raise UserError(f'{path}: {error}') from error
    except (TypeError, ValueError) as error:
        raise UserError(
            f'camera file {path} holds something other than numbers where numbers are needed '
            f'({error})'
        ) from error


def _drive_file(fields: Mapping[str, Any]) -> DriveFile:
    encoding = fields.get('depth_encoding')
    if encoding not in (None, 'inverse'):
        raise UserError(f"depth_encoding {encoding!r} is not known; 'inverse' is, or leave it out")
    k = _numbers(fields, 'camera_matrix')
    flat = (*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0)
    named = str(fields['distortion_model'])
    model = MODEL_ALIASES.get(named, named)
    return DriveFile(
        camera=Camera(
            width=int(fields['image_width']),
            height=int(fields['image_height']),
            k=k,
            p=_numbers(fields, 'projection_matrix') if 'projection_matrix' in fields else flat,
            d=fitted_coefficients(_numbers(fields, 'distortion_coefficients'), model),
            r=_numbers(fields, 'rectification_matrix')
            if 'rectification_matrix' in fields
            else IDENTITY,
            distortion_model=model,
        ),
        rate_hz=_optional(fields, 'rate_hz'),
        camera_height_m=_optional(fields, 'camera_height_m'),
        label_space=fields.get('label_space'),
        depth_scale=float(fields['depth_scale']) if encoding == 'inverse' else None,
    )


def _numbers(fields: Mapping[str, Any], name: str) -> tuple[float, ...]:
    return tuple(float(value) for value in fields[name]['data'])


def _optional(fields: Mapping[str, Any], name: str) -> float | None:
    return None if fields.get(name) is None else float(fields[name])
