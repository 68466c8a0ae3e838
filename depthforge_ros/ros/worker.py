# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A slot that keeps the newest item, and the one thread that empties it."""

from __future__ import annotations

from collections.abc import Callable
import threading
import time
from typing import Generic, TypeVar

T = TypeVar('T')


class Worker(Generic[T]):
    """Calls `handle`, which must not raise, with the newest item; older ones are given back."""

    def __init__(self, handle: Callable[[T], None]) -> None:
        self._handle = handle
        self._changed = threading.Condition()
        self._waiting: T | None = None
        self._stopped = False
        self._busy_since_s: float | None = None
        self._thread = threading.Thread(target=self._run, name='depthforge_worker', daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs; after `stop` only while it hangs in an item."""
        return self._thread.is_alive()

    @property
    def busy_s(self) -> float:
        """Seconds since the item in work was begun, 0 if there is none."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def put(self, item: T) -> T | None:
        """Leave an item for the thread; returns the one that now nobody will handle."""
        with self._changed:
            if self._stopped:
                return item
            replaced, self._waiting = self._waiting, item
            self._changed.notify()
            return replaced

    def stop(self, timeout_s: float) -> T | None:
        """Let the item in work finish, but not longer; returns the one that was still waiting."""
        with self._changed:
            self._stopped = True
            waiting, self._waiting = self._waiting, None
            self._changed.notify()
        self._thread.join(timeout_s)
        return waiting

    def _run(self) -> None:
        while (item := self._take()) is not None:
            self._handle(item)
            self._busy_since_s = None

    def _take(self) -> T | None:
        with self._changed:
            while self._waiting is None and not self._stopped:
                self._changed.wait()
            item, self._waiting = self._waiting, None
            self._busy_since_s = None if item is None else time.monotonic()
            return item
