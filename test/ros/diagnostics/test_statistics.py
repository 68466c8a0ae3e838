# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What is counted of frames, and for how long it is kept."""

from __future__ import annotations

from depthforge_ros.ros.diagnostics.statistics import Statistics
import pytest
from support.statistics import answer, Time


def test_no_more_is_kept_than_the_window(clock: Time) -> None:
    statistics = Statistics()
    for _ in range(500):
        answer(statistics)
        clock.now_s += 0.1
    kept = statistics._published_at._events
    assert (len(kept), len(statistics._received_at._events)) == (51, 51)
    assert statistics.snapshot().published == 500


def test_latency_of_the_last_frame_stays(clock: Time) -> None:
    statistics = Statistics()
    answer(statistics, latency_ms=60.0)
    clock.now_s += 60.0
    assert statistics.snapshot().percentiles_ms == {'latency': (60.0, 60.0)}


def test_a_pause_begins_the_recent_figures_anew(clock: Time) -> None:
    statistics = Statistics()
    for _ in range(40):
        answer(statistics)
        clock.now_s += 0.1
    clock.now_s += 4.0
    statistics.pause()
    for _ in range(3):
        answer(statistics)
        clock.now_s += 0.1
    snapshot = statistics.snapshot()
    assert snapshot.output_rate_hz == pytest.approx(10.0)
    assert (snapshot.recently_published, snapshot.published) == (3, 43)


def test_rate_falls_once_the_next_answer_is_overdue(clock: Time) -> None:
    statistics = Statistics()
    for _ in range(41):
        answer(statistics)
        clock.now_s += 0.1
    for later_s, rate_hz in ((0.0, 10.0), (0.4, 41 / 4.5), (0.5, 41 / 5.0)):
        clock.now_s += later_s
        assert statistics.snapshot().output_rate_hz == pytest.approx(rate_hz, rel=0.03)


def test_frames_without_a_stamp_have_no_age() -> None:
    statistics = Statistics()
    for stages_ms in (
        {'latency': 5.0, 'age': 7.0},
        {'latency': 5.0},
        {'latency': 5.0, 'age': 9.0},
    ):
        statistics.published(stages_ms)
    assert statistics.snapshot().percentiles_ms['age'][0] == 8.0
