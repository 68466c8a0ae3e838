# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""One process at a time in a folder that several share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import fcntl
from pathlib import Path

from tqdm import tqdm

LOCK = 'lock'


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make the folder and work in it alone; waits for another process, and says so."""
    folder.mkdir(parents=True, exist_ok=True)
    # The system gives the lock back however a process ends; the file stays.
    with (folder / LOCK).open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tqdm.write(f'waiting for another process, which is at work in {folder}')
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
