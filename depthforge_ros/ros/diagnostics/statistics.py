# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Counts what became of every frame, and how long it took."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
import threading
import time
from typing import Generic, TypeVar

import numpy as np

DEACTIVATED, NO_SUBSCRIBERS = 'deactivated', 'no_subscribers'
RATE_LIMITED, REPLACED = 'rate_limited', 'replaced'
NO_FAULTS = (DEACTIVATED, NO_SUBSCRIBERS, RATE_LIMITED, REPLACED)
"""Reasons of dropped frames that are no fault of the camera, the model or the node."""
WINDOW_S = 5.0
"""Time over which rates and latencies are taken."""
WINDOW_FRAMES = 2000
"""Most frames that they are taken over: 400 Hz for the whole window."""

T = TypeVar('T')


@dataclass(frozen=True)
class Snapshot:
    """The figures at one moment; received = published + dropped + in_flight."""

    received: int
    published: int
    dropped: Mapping[str, int]
    """Frames without an answer, by reason."""
    recent_s: float
    """Time since when every frame had a subscriber."""
    recently_received: int
    """Of the last WINDOW_S, at most `recent_s`."""
    recently_published: int
    """Likewise."""
    recently_dropped: Mapping[str, int]
    """Likewise, by reason."""
    lost: int
    """Images that the publisher sent, and that got lost before the node; not among received."""
    recently_lost: int
    """As recently_received."""
    input_rate_hz: float
    output_rate_hz: float
    percentiles_ms: Mapping[str, tuple[float, float]]
    """Per stage the median and the 99th percentile of the last WINDOW_S, or of the last frame."""
    last_received_s: float | None
    """time.monotonic() of the newest frame."""
    last_error: str
    last_error_age_s: float | None
    """Seconds since it came."""

    @property
    def in_flight(self) -> int:
        """Frames that wait or are in work."""
        return self.received - self.published - sum(self.dropped.values())


class Recent(Generic[T]):
    """Events of the last WINDOW_S with their times, and at least the last two."""

    def __init__(self) -> None:
        self._events: deque[tuple[float, T]] = deque(maxlen=WINDOW_FRAMES)

    def add(self, what: T) -> float:
        """Add an event now; returns time.monotonic()."""
        now_s = time.monotonic()
        self._events.append((now_s, what))
        while len(self._events) > 2 and self._events[0][0] < now_s - WINDOW_S:
            self._events.popleft()
        return now_s

    def clear(self) -> None:
        """Forget all."""
        self._events.clear()

    def since(self, since_s: float) -> list[T]:
        """Return the events since a time.monotonic()."""
        return [what for at_s, what in self._events if at_s >= since_s]

    def last(self) -> list[T]:
        """Return the last event, if any."""
        return [self._events[-1][1]] if self._events else []

    def rate_hz(self, now_s: float) -> float:
        """
        Return the rate from the first time to the last, or up to now where the next is overdue.

        Taken over the window, or over the last two events where it has fewer. 0 once the next
        event is so late that none is to be expected.
        """
        times_s = [at_s for at_s, _ in self._events]
        recent = [at_s for at_s in times_s if at_s >= now_s - WINDOW_S]
        if len(recent) < 2:
            recent = times_s[-2:]
        if len(recent) < 2 or recent[-1] == recent[0]:
            return 0.0
        first_s, last_s = recent[0], recent[-1]
        if now_s - last_s > max(WINDOW_S, 2.0 * (last_s - first_s)):
            return 0.0
        return min((len(recent) - 1) / (last_s - first_s), len(recent) / (now_s - first_s))


class Statistics:
    """Counts frames; safe to call from the threads of executor, worker and reporter."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = 0
        self._published = 0
        self._dropped: Counter[str] = Counter()
        self._recent_since_s = time.monotonic()
        self._last_received_s: float | None = None
        self._lost = 0
        self._received_at: Recent[None] = Recent()
        self._lost_at: Recent[int] = Recent()
        """How many at once."""
        self._dropped_at: Recent[str] = Recent()
        """By reason."""
        self._published_at: Recent[Mapping[str, float]] = Recent()
        """With the milliseconds of each stage."""
        self._last_error = ''
        self._last_error_at_s: float | None = None

    def pause(self) -> None:
        """Begin the recent figures anew: until now no frame had a subscriber."""
        with self._lock:
            self._pause()

    def received(self) -> None:
        """Count a frame that the subscription delivered."""
        with self._lock:
            self._received += 1
            self._last_received_s = self._received_at.add(None)

    def lost(self, count: int) -> None:
        """Count images that the middleware missed."""
        with self._lock:
            self._lost += count
            self._lost_at.add(count)

    def dropped(self, reason: str, error: str = '') -> None:
        """Count a received frame that stays without an answer."""
        with self._lock:
            self._dropped[reason] += 1
            self._dropped_at.add(reason)
            if error:
                self._record_error(error)

    def skipped(self) -> None:
        """Count a received frame without a subscriber, and begin the recent figures anew."""
        with self._lock:
            self._dropped[NO_SUBSCRIBERS] += 1
            self._pause()

    def record_error(self, error: str) -> None:
        """Keep an error that belongs to no frame."""
        with self._lock:
            self._record_error(error)

    def published(self, stages_ms: Mapping[str, float]) -> None:
        """Count an answered frame, with the milliseconds that each stage took."""
        with self._lock:
            self._published += 1
            self._published_at.add(stages_ms)

    def snapshot(self) -> Snapshot:
        """Return all figures of one moment."""
        now_s = time.monotonic()
        with self._lock:
            error_at_s = self._last_error_at_s
            published = self._published_at.since(now_s - WINDOW_S)
            stages_ms = published or self._published_at.last()
            snapshot = Snapshot(
                received=self._received,
                published=self._published,
                dropped=dict(self._dropped),
                recent_s=now_s - self._recent_since_s,
                recently_received=len(self._received_at.since(now_s - WINDOW_S)),
                recently_published=len(published),
                recently_dropped=Counter(self._dropped_at.since(now_s - WINDOW_S)),
                lost=self._lost,
                recently_lost=sum(self._lost_at.since(now_s - WINDOW_S)),
                input_rate_hz=self._received_at.rate_hz(now_s),
                output_rate_hz=self._published_at.rate_hz(now_s),
                percentiles_ms={},
                last_received_s=self._last_received_s,
                last_error=self._last_error,
                last_error_age_s=None if error_at_s is None else now_s - error_at_s,
            )
        # Without the lock: the threads of the frames need it.
        return replace(snapshot, percentiles_ms=_percentiles_ms(stages_ms))

    def _pause(self) -> None:
        self._recent_since_s = time.monotonic()
        self._received_at.clear()
        self._lost_at.clear()
        self._dropped_at.clear()
        self._published_at.clear()

    def _record_error(self, error: str) -> None:
        self._last_error, self._last_error_at_s = error, time.monotonic()


def _percentiles_ms(frames: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    if not frames:
        return {}
    percentiles = {}
    for stage in frames[-1]:
        times_ms = [frame[stage] for frame in frames if stage in frame]
        p50, p99 = np.percentile(times_ms, (50.0, 99.0))
        percentiles[stage] = (float(p50), float(p99))
    return percentiles
