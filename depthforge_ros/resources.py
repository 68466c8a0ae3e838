# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Where the bundled files (models, drive, config, launch) are, however this was installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import os
from pathlib import Path
import sys

from depthforge_ros.errors import UserError

PACKAGE = 'depthforge_ros'
MARKER = 'package.xml'
"""Every share folder has it, and so has the source checkout."""


def share_directory() -> Path:
    """
    Folder that holds models/, drive/, config/ and launch/.

    It is the source checkout, or share/depthforge_ros of a prefix that pip or colcon filled.
    """
    return find_share(Path(__file__).resolve().parent, sys.prefix, os.environ)


def find_share(package: Path, prefix: str, environment: Mapping[str, str]) -> Path:
    """Search for a package folder, sys.prefix and the AMENT_PREFIX_PATH of an environment."""
    for folder in _candidates(package, prefix, environment):
        if (folder / MARKER).is_file():
            return folder
    raise UserError(
        f'the bundled files of {PACKAGE} are not installed beside {package}; install again with '
        "'pip install .' or 'colcon build' from the source folder"
    )


def _candidates(package: Path, prefix: str, environment: Mapping[str, str]) -> Iterator[Path]:
    yield package.parent
    share = Path('share') / PACKAGE
    for parent in package.parents:
        yield parent / share
    yield Path(prefix) / share
    for ament_prefix in environment.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        if ament_prefix:
            yield Path(ament_prefix) / share
