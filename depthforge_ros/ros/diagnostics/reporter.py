# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The timer of the diagnostics: a thread, because a model that loads blocks the executor."""

from __future__ import annotations

from collections.abc import Callable
import threading

STOP_TIMEOUT_S = 1.0


class Reporter:
    """Calls `report`, which must not raise, once a period of the monotonic clock."""

    def __init__(self, report: Callable[[], None], period_s: Callable[[], float]) -> None:
        """`period_s` is called before each wait."""
        self._report = report
        self._period_s = period_s
        self._is_stopped = False
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name='depthforge_reporter', daemon=True)
        self._thread.start()

    def restart(self) -> None:
        """Begin the wait anew, with the present period."""
        self._woken.set()

    def stop(self) -> None:
        """Begin no more reports; wait for the one in work for STOP_TIMEOUT_S."""
        self._is_stopped = True
        self._woken.set()
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        while not self._is_stopped:
            if self._woken.wait(self._period_s()):
                self._woken.clear()
            else:
                self._report()
