# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Figures of a camera against the stated limits."""

from __future__ import annotations

import dataclasses
from pathlib import Path
import time
from typing import Any

from depthforge_ros.ros.diagnostics import camera_status, Condition
from depthforge_ros.ros.parameters import NodeConfig
from depthforge_ros.ros.statistics import Statistics
from diagnostic_msgs.msg import DiagnosticStatus
from hypothesis import given
from hypothesis import strategies as st
import pytest
import yaml

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
HEALTHY = Condition(active_for_s=9.0, busy_s=0.0, is_working=True, domain={'domain_shift': 1.0})
LIMITS = NodeConfig(
    stall_after_s=2.0,
    min_rate_hz=0.1,
    max_latency_ms=50.0,
    max_drop_share=0.6,
    max_domain_shift=1.5,
)


def status_of(
    statistics: Statistics, condition: Condition = HEALTHY, limits: NodeConfig = LIMITS
) -> Any:
    identity = {'model': 'm', 'engine': 'e', 'fingerprint': 'f'}
    return camera_status(
        statistics.snapshot(), condition, limits, name='n', topic='/image', identity=identity
    )


@pytest.fixture
def healthy() -> Statistics:
    statistics = Statistics()
    for _ in range(10):
        statistics.received()
        statistics.published({'latency': 20.0})
    return statistics


def test_a_healthy_camera_is_ok(healthy: Statistics) -> None:
    assert status_of(healthy).level == OK
    assert {'domain_shift', 'latency_ms_p50'} <= {v.key for v in status_of(healthy).values}


@pytest.mark.parametrize(
    ('change', 'level', 'words'),
    [
        ({'busy_s': 3.0}, ERROR, 'stalled'),
        ({'is_working': False}, ERROR, 'worker has ended'),
        ({'domain': {'domain_shift': 2.0}}, WARN, 'max_domain_shift is 1.5'),
        ({'max_batch': 3}, WARN, 'at most 3 at once'),
        ({'engine_refusal': 'torch was 1'}, WARN, 'stored engine is not used: torch was 1'),
        ({'active_for_s': None, 'busy_s': 3.0}, OK, 'not active'),
    ],
)
def test_conditions_turn_the_level(
    healthy: Statistics, change: dict[str, Any], level: bytes, words: str
) -> None:
    status = status_of(healthy, dataclasses.replace(HEALTHY, **change))
    assert (status.level, words in status.message) == (level, True), status.message


def test_latency_turns_the_level(healthy: Statistics) -> None:
    status = status_of(healthy, limits=dataclasses.replace(LIMITS, max_latency_ms=10.0))
    assert (status.level, 'max_latency_ms is 10' in status.message) == (WARN, True)


def test_rate_turns_the_level() -> None:
    statistics = Statistics()
    statistics.received()
    statistics.published({'latency': 20.0})
    status = status_of(statistics)
    assert (status.level, 'min_rate_hz is 0.1' in status.message) == (WARN, True)
    begun = dataclasses.replace(HEALTHY, active_for_s=1.0)
    assert status_of(statistics, begun).level == OK
    # Nobody asked for more.
    statistics.received()
    statistics.dropped('no_subscribers')
    assert status_of(statistics).level == OK


def test_dropped_frames_turn_the_level_by_reason_and_share(healthy: Statistics) -> None:
    def drop(reason: str, frames: int) -> Any:
        for _ in range(frames):
            healthy.received()
            healthy.dropped(reason)
        return status_of(healthy)

    assert drop('rate_limited', 100).level == OK
    assert drop('no_subscribers', 100).level == OK
    assert drop('deactivated', 100).level == OK
    assert drop('replaced', 10).level == OK
    assert 'max_drop_share' in drop('replaced', 10).message
    fault = drop('bad_length', 1)
    assert fault.level == WARN
    assert 'bad_length' in fault.message


def test_a_camera_whose_every_frame_is_bad_is_an_error() -> None:
    statistics = Statistics()
    statistics.received()
    statistics.dropped('bad_length')
    assert status_of(statistics).level == ERROR


def test_a_slow_engine_that_always_fails_is_an_error() -> None:
    statistics = Statistics()
    for reason in ('replaced', 'replaced', 'internal_error'):
        statistics.received()
        statistics.dropped(reason)
    status = status_of(statistics)
    assert (status.level, 'internal_error' in status.message) == (ERROR, True)


@pytest.mark.parametrize('name', ['', 'depthforge.yaml', 'six_cameras.yaml'])
@given(phase=st.floats(0.001, 1.0))
def test_what_stalls_is_told_within_two_periods(name: str, phase: float) -> None:
    path = Path(__file__).parents[1] / 'config' / name
    values = yaml.safe_load(path.read_text())['/**']['ros__parameters'] if name else {}
    keys = ('diagnostics_period_s', 'stall_after_s')
    limits = NodeConfig(**{key: values[key] for key in keys if name})
    # The second report after the stall, which begins somewhere between two.
    stalled_s = (phase + 1.0) * limits.diagnostics_period_s
    stalled = dataclasses.replace(HEALTHY, busy_s=stalled_s)
    assert status_of(Statistics(), stalled, limits).level == ERROR
    silent = dataclasses.replace(HEALTHY, active_for_s=stalled_s)
    assert 'no image' in status_of(Statistics(), silent, limits).message


def test_rate_falls_once_the_next_answer_is_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = Statistics()
    for number in range(41):
        monkeypatch.setattr(time, 'monotonic', lambda: 100.0 + 0.1 * number)  # noqa: B023
        statistics.published({'latency': 20.0})
    for later_s, rate_hz in ((0.0, 10.0), (0.1, 10.0), (0.9, 41 / 4.9), (6.0, 0.0)):
        monkeypatch.setattr(time, 'monotonic', lambda: 104.0 + later_s)  # noqa: B023
        assert statistics.snapshot().output_rate_hz == pytest.approx(rate_hz)


def test_frames_without_a_stamp_have_no_age() -> None:
    statistics = Statistics()
    for stages_ms in (
        {'latency': 5.0, 'age': 7.0},
        {'latency': 5.0},
        {'latency': 5.0, 'age': 9.0},
    ):
        statistics.published(stages_ms)
    assert statistics.snapshot().percentiles_ms['age'][0] == 8.0
