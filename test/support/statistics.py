# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A clock that a test sets, and frames that are answered."""

from __future__ import annotations

from depthforge_ros.ros.diagnostics.statistics import Statistics


class Time:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def answer(statistics: Statistics, *, latency_ms: float = 20.0) -> None:
    statistics.received()
    statistics.published({'latency': latency_ms})
