# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The foundation weights that can be fetched: addresses, sums, licences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from depthforge_ros.errors import UserError
from depthforge_ros.model.parts import Sizes
from depthforge_ros.resources import share_directory
import yaml

NON_COMMERCIAL = '-NC-'
"""Part of the name of every licence that forbids commercial use."""


@dataclass(frozen=True)
class Foundation:
    """Weights that somebody else published."""

    name: str
    url: str
    bytes: int | None
    """Size of the published file; None if none is stated."""
    sha256: str | None
    """Of the published file; None if none is stated."""
    licence: str
    encoder: Sizes
    depth_head: bool = False

    @property
    def terms(self) -> str:
        """Return the licence, and in words what it forbids."""
        forbids = ', non-commercial use only' if NON_COMMERCIAL in self.licence else ''
        return f'{self.licence}{forbids}'


def read_manifest(path: Path | None = None) -> Mapping[str, Foundation]:
    """Read models/manifest.yaml, or another file of its form."""
    path = path or share_directory() / 'models' / 'manifest.yaml'
    try:
        entries = yaml.safe_load(path.read_text(encoding='utf-8'))
        return {
            name: Foundation(name=name, **{**fields, 'encoder': Sizes(**fields['encoder'])})
            for name, fields in entries.items()
        }
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f'manifest {path} cannot be read ({error}); install the package again'
        ) from error
