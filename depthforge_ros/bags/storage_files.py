# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The files that bags consist of: which they are, what metadata says of them, what mends them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.files import is_hidden, natural_key
import yaml

METADATA = 'metadata.yaml'
ABOUT = 'about.yaml'
"""Metadata of a bag beside a repaired copy of it, which may lack some of its files."""
SQLITE = '.db3'
SUFFIXES = ('.mcap', SQLITE, '.bag')
ZSTD = '.zstd'
ADVICE = {
    '.mcap': '`mcap recover` repairs an mcap that was cut short',
    SQLITE: '`ros2 bag reindex` restores metadata, `sqlite3 FILE .recover` repairs a db3',
    '.bag': '`rosbag reindex` repairs a bag that was cut short',
}
NOT_OF_ROS_2 = 'Profile is not ros2'
"""What the reader says of an mcap whose writer named another profile, or none."""
PROFILE_OF_ROS_1 = b'\x04\0\0\0ros1'
PROFILE_AT = 17
"""Place of the profile's length and text in an mcap."""


def is_bag(path: Path) -> bool:
    """Tell a bag by its suffix or, for a folder, by its metadata or the files in it."""
    if path.is_dir():
        return (path / METADATA).is_file() or bool(bag_files(path))
    return storage_suffix(path) is not None


def bag_files(path: Path) -> list[Path]:
    """Return the files of a bag that lie in a folder, in order, or the one file itself."""
    files = path.iterdir() if path.is_dir() else [path]
    found = [one for one in files if storage_suffix(one) and one.is_file()]
    return sorted(
        (one for one in found if not is_hidden(one)), key=lambda one: natural_key(one.name)
    )


def storage_suffix(path: Path) -> str | None:
    """Return the suffix that says the storage, also of compressed and unfinished files."""
    name = path.name.lower().removesuffix(ZSTD).removesuffix('.active')
    return next((one for one in SUFFIXES if name.endswith(one)), None)


def is_compressed(path: Path) -> bool:
    """Tell a file that ros2 bag has compressed as a whole."""
    return path.name.lower().endswith(ZSTD)


def advice(path: Path, reason: str) -> str:
    """Say what mends a bag that cannot be read for that reason."""
    if NOT_OF_ROS_2 in reason:
        with next(iter(bag_files(path))).open('rb') as file:
            file.seek(PROFILE_AT)
            if file.read(len(PROFILE_OF_ROS_1)) == PROFILE_OF_ROS_1:
                return 'it holds messages of ROS 1; give the .bag file that it was made from'
        return 'it was not recorded by ROS 2; record its topics by `ros2 bag record`'
    kinds = sorted({storage_suffix(one) or '' for one in bag_files(path)})
    known = [ADVICE[kind] for kind in kinds if kind in ADVICE]
    return '; '.join(known) or 'give a rosbag2 folder, an mcap, db3 or bag file'


def read_metadata(path: Path) -> Mapping[str, Any]:
    """Read what a folder says of its bag, or of this file of it; empty where it says nothing."""
    folder = path if path.is_dir() else path.parent
    file = folder / (METADATA if (folder / METADATA).is_file() else ABOUT)
    try:
        about = yaml.safe_load(file.read_text(encoding='utf-8'))['rosbag2_bagfile_information']
        files = [PurePath(one).name for one in about['relative_file_paths']]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return {}
    return about if path.is_dir() or path.name in files else {}


def promised_messages(path: Path) -> dict[str, int]:
    """Return the messages of each topic that metadata promises; empty where it says nothing."""
    about = read_metadata(path)
    if not path.is_dir() and len(about.get('relative_file_paths', ())) > 1:
        return {}
    promised: dict[str, int] = {}
    try:
        for one in about.get('topics_with_message_count', ()):
            name = one['topic_metadata']['name']
            promised[name] = promised.get(name, 0) + int(one['message_count'])
    except (KeyError, TypeError, ValueError):
        return {}
    return promised


def remove_bag(path: Path) -> None:
    """
    Remove a rosbag2 folder, whole or left half-written; nothing where there is none.

    Files that no recorder writes stay and are a UserError.
    """
    if not path.exists():
        return
    foreign = [one.name for one in path.iterdir() if not _is_bag_file(one)]
    if foreign:
        raise UserError(
            f'{path} is to be replaced but holds {foreign[0]}, which is no part of a bag; move '
            'it away'
        )
    for one in path.iterdir():
        one.unlink()
    path.rmdir()


def _is_bag_file(path: Path) -> bool:
    return path.name.startswith(METADATA) or path.suffix in ('.mcap', '.db3')
