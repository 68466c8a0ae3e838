# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What became of every frame, and how long it took."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
import threading
import time

import numpy as np

WINDOW_FRAMES = 300
"""Frames over which latencies are summarised."""
RATE_WINDOW_S = 5.0
RATE_WINDOW_FRAMES = 2000
"""Most frames that a rate is taken over: 400 Hz for the whole window."""


@dataclass(frozen=True)
class Snapshot:
    """The figures at one moment; received = published + dropped + in_flight."""

    received: int
    published: int
    dropped: Mapping[str, int]
    """Frames without an answer, by reason."""
    recently_received: int
    """Of the last RATE_WINDOW_S."""
    recently_published: int
    """Of the last RATE_WINDOW_S."""
    recently_dropped: Mapping[str, int]
    """Of the last RATE_WINDOW_S, by reason."""
    input_rate_hz: float
    output_rate_hz: float
    percentiles_ms: Mapping[str, tuple[float, float]]
    """Per stage the median and the 99th percentile of the last frames."""
    last_received_s: float | None
    """time.monotonic() of the newest frame."""
    last_error: str
    last_error_age_s: float | None
    """Seconds since it came."""

    @property
    def in_flight(self) -> int:
        """Frames that wait or are in work."""
        return self.received - self.published - sum(self.dropped.values())


class Statistics:
    """Counts frames; the subscription's and the worker's thread may both call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = 0
        self._published = 0
        self._dropped: Counter[str] = Counter()
        self._received_at: deque[float] = deque(maxlen=RATE_WINDOW_FRAMES)
        self._published_at: deque[float] = deque(maxlen=RATE_WINDOW_FRAMES)
        self._dropped_at: deque[tuple[float, str]] = deque(maxlen=RATE_WINDOW_FRAMES)
        self._stages_ms: deque[Mapping[str, float]] = deque(maxlen=WINDOW_FRAMES)
        self._last_error = ''
        self._last_error_at_s: float | None = None

    def received(self) -> None:
        """Count a frame that the subscription delivered."""
        with self._lock:
            self._received += 1
            self._received_at.append(time.monotonic())

    def dropped(self, reason: str, error: str = '') -> None:
        """Count a received frame that stays without an answer."""
        with self._lock:
            self._dropped[reason] += 1
            self._dropped_at.append((time.monotonic(), reason))
            if error:
                self._noted(error)

    def noted(self, error: str) -> None:
        """Keep what went wrong without a frame."""
        with self._lock:
            self._noted(error)

    def published(self, stages_ms: Mapping[str, float]) -> None:
        """Count an answered frame, with the milliseconds that each stage took."""
        with self._lock:
            self._published += 1
            self._published_at.append(time.monotonic())
            self._stages_ms.append(stages_ms)

    def snapshot(self) -> Snapshot:
        """Return all figures of one moment."""
        now_s = time.monotonic()
        since_s = now_s - RATE_WINDOW_S
        with self._lock:
            error_at_s = self._last_error_at_s
            return Snapshot(
                received=self._received,
                published=self._published,
                dropped=dict(self._dropped),
                recently_received=sum(at_s >= since_s for at_s in self._received_at),
                recently_published=sum(at_s >= since_s for at_s in self._published_at),
                recently_dropped=Counter(
                    reason for at_s, reason in self._dropped_at if at_s >= since_s
                ),
                input_rate_hz=_rate_hz(self._received_at, since_s, now_s),
                output_rate_hz=_rate_hz(self._published_at, since_s, now_s),
                percentiles_ms=_percentiles_ms(self._stages_ms),
                last_received_s=self._received_at[-1] if self._received_at else None,
                last_error=self._last_error,
                last_error_age_s=None if error_at_s is None else now_s - error_at_s,
            )

    def _noted(self, error: str) -> None:
        self._last_error, self._last_error_at_s = error, time.monotonic()


def _rate_hz(times_s: deque[float], since_s: float, now_s: float) -> float:
    """Return the rate from the first time to the last, or up to now where the next is overdue."""
    recent = [time_s for time_s in times_s if time_s >= since_s]
    if len(recent) < 2 or recent[-1] == recent[0]:
        return 0.0
    first_s, last_s = recent[0], recent[-1]
    return min((len(recent) - 1) / (last_s - first_s), len(recent) / (now_s - first_s))


def _percentiles_ms(frames: deque[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    if not frames:
        return {}
    percentiles = {}
    for stage in frames[-1]:
        times_ms = [frame[stage] for frame in frames if stage in frame]
        p50, p99 = np.percentile(times_ms, (50.0, 99.0))
        percentiles[stage] = (float(p50), float(p99))
    return percentiles
