# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Bytes of files: read, written whole or not at all, and listed in the order that people count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
import os
from pathlib import Path
import re

from depthforge_ros.errors import UserError

NUMBER = re.compile('([0-9]+)')
UNIQUE = count()
LONGEST_STEM = 255 - len('.json')
"""Bytes of a file's name before its suffix."""
UNREADABLE = 'unreadable'
"""Reason of the UserError of a file that is broken, which a command leaves out."""


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Return what names are sorted by so that `frame_2` comes before `frame_10`."""
    # Odd places hold the numbers, so that numbers meet numbers and text meets text.
    parts = NUMBER.split(name)
    return tuple(int(one) if place % 2 else one for place, one in enumerate(parts)), name


def is_hidden(path: Path) -> bool:
    """Tell names that begin with a dot, such as `._x.jpg` that macOS leaves on other disks."""
    return path.name.startswith('.')


def fitting(stem: str, room: int = 0) -> str:
    """Cut the stem of a new file's name so that `room` bytes and a suffix fit behind it."""
    return os.fsdecode(os.fsencode(stem)[: LONGEST_STEM - room])


def require_utf_8(path: Path, reader: str) -> None:
    """Refuse a name that is not UTF-8; `reader` is what cannot open it, and may crash."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f'{str(path)!a} has a name that is not UTF-8 here, which {reader} cannot open; rename '
            'it, or set the locale to C.UTF-8'
        ) from error


def read_bytes(path: Path | str) -> bytes:
    """Read a file whatever the bytes of its name are."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(
            f'{path} cannot be read: {error.strerror}; check the path', reason=UNREADABLE
        ) from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; its folder is made. UserError where that fails."""
    with written(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a text as `write_bytes` does; bytes of file names that are not UTF-8 are escaped."""
    write_bytes(path, text.encode('utf-8', 'backslashreplace'))


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """
    Give the path of a new file that takes the place of `path` when the context ends well.

    After any error nothing of it is left; an OSError becomes a UserError. What is no plain file,
    such as /dev/stdout, is written as it is.
    """
    target = Path(os.path.realpath(path))
    is_special = target.exists() and not target.is_file()
    part = (
        target
        if is_special
        else target.with_name(f'.depthforge-{os.getpid()}-{next(UNIQUE)}.partial')
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        if not is_special:
            part.replace(target)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f'{path} cannot be written ({reason}); choose another place') from error
    finally:
        if not is_special:
            with suppress(OSError):
                part.unlink()
