# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The C library's allocator, set for a process that handles an image's megabytes many times a second.

By default glibc takes every block above some megabytes fresh from the system and gives it back
when it is freed, so that all of its pages are mapped and zeroed again for each frame, in each
layer of a network and in each message; docs/performance.md says what that costs. And it has an
arena of memory for every thread, up to eight per core, and gives back the free end of the first
alone: a node that is configured again has new threads, which would fill one after the other.
"""

from __future__ import annotations

import ctypes
from typing import Any

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8
"""`mallopt`'s names, of glibc's malloc.h."""
NEVER = -1
"""A threshold that is never reached. The largest number, 2 GiB, is: a training step frees more."""


def keep_freed_memory() -> bool:
    """Reuse freed blocks instead of returning them; False where the C library is not glibc."""
    library = _glibc()
    if library is None:
        return False
    # Without blocks of their own, large ones lie in the heap, whose end is kept.
    settings = {MMAP_MAX: 0, TRIM_THRESHOLD: NEVER, ARENA_MAX: 1}
    return all(library.mallopt(*setting) for setting in settings.items())


def return_freed_memory() -> None:
    """Give what is free at this moment back to the system."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> Any:
    library = ctypes.CDLL(None)
    return library if hasattr(library, 'gnu_get_libc_version') else None
