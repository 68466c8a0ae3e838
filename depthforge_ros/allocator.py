# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The C library's allocator, set for a process that handles an image's megabytes many times a second.

By default glibc takes every block above some megabytes fresh from the system and gives it back
when it is freed, so that all of its pages are mapped and zeroed again for each frame, in each
layer of a network and in each message; README.md, Performance, says what that costs.
"""

from __future__ import annotations

import ctypes
from typing import Any

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""`mallopt`'s names, of glibc's malloc.h."""
NEVER = 2**31 - 1
"""Bytes."""


def keep_freed_memory() -> bool:
    """Reuse freed blocks instead of returning them; False where the C library is not glibc."""
    library = _glibc()
    if library is None:
        return False
    # Without blocks of their own, large ones lie in the heap, whose end is kept.
    return bool(library.mallopt(MMAP_MAX, 0) and library.mallopt(TRIM_THRESHOLD, NEVER))


def return_freed_memory() -> None:
    """Give what is free at this moment back to the system."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> Any:
    library = ctypes.CDLL(None)
    return library if hasattr(library, 'gnu_get_libc_version') else None
