# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""One slot per source for its newest item, and one thread that handles all of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
import threading
import time
from typing import Generic, TypeVar

S = TypeVar('S', bound=Hashable)
T = TypeVar('T')


class Worker(Generic[S, T]):
    """
    Calls `handle`, which must not raise, with the newest item of every source that has one.

    It never waits for a source: the items that came during one batch make the next. So an item
    waits for one batch at most, however many and fast the sources are.
    """

    def __init__(self, handle: Callable[[Mapping[S, T]], None]) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[S, T] = {}
        self._stopped = False
        self._busy_since_s: float | None = None
        # Only the thread refers to what handles, and only while it runs.
        self._thread = threading.Thread(
            target=self._run, args=(handle,), name='depthforge_worker', daemon=True
        )
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs; after `stop` only while it hangs in a batch."""
        return self._thread.is_alive()

    @property
    def busy_s(self) -> float:
        """Seconds since the batch in work was begun, 0 if there is none."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def put(self, source: S, item: T) -> T | None:
        """Leave an item for the thread; returns the one that will not be handled."""
        with self._changed:
            if self._stopped:
                return item
            replaced = self._waiting.pop(source, None)
            self._waiting[source] = item
            self._changed.notify()
            return replaced

    def stop(self, timeout_s: float) -> Mapping[S, T]:
        """Wait for the batch in work, at most so long; returns the items that were waiting."""
        with self._changed:
            self._stopped = True
            waiting, self._waiting = self._waiting, {}
            self._changed.notify()
        self._thread.join(timeout_s)
        return waiting

    def _run(self, handle: Callable[[Mapping[S, T]], None]) -> None:
        while batch := self._take():
            try:
                handle(batch)
            finally:
                self._busy_since_s = None

    def _take(self) -> Mapping[S, T]:
        """Wait for items; empty once stopped."""
        with self._changed:
            while not self._waiting and not self._stopped:
                self._changed.wait()
            batch, self._waiting = self._waiting, {}
            self._busy_since_s = time.monotonic() if batch else None
            return batch
