# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Figures of a camera against the stated limits."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from depthforge_ros.ros.diagnostics.statistics import Statistics
from depthforge_ros.ros.diagnostics.status import camera_status, CameraState, RunningTransition
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.topics.transport import profiles_variable
from diagnostic_msgs.msg import DiagnosticStatus
from hypothesis import example, given
from hypothesis import strategies as st
import pytest
from support.paths import ROOT
from support.statistics import answer, Time
import yaml

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
HEALTHY = CameraState(active_for_s=9.0, busy_s=0.0, is_working=True, domain={'domain_shift': 1.0})
IDLE = {'active_for_s': None}
LOADING, SLOW = RunningTransition('x', 5.0), RunningTransition('x', 61.0)
LIMITS = NodeConfig(
    stall_after_s=2.0,
    min_rate_hz=0.1,
    max_latency_ms=50.0,
    max_drop_share=0.6,
    max_domain_shift=1.5,
)


def status_of(
    statistics: Statistics, state: CameraState = HEALTHY, limits: NodeConfig = LIMITS
) -> Any:
    identity = {'model': 'm', 'engine': 'e', 'fingerprint': 'f'}
    snapshot = statistics.snapshot()
    return camera_status(snapshot, state, limits, name='n', topic='/image', identity=identity)


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
        ({'is_without_clock': True}, WARN, 'no /clock has come'),
        ({'active_for_s': None, 'busy_s': 3.0}, OK, 'not active'),
        ({**IDLE, 'busy_s': 1.0, 'transition': LOADING}, OK, 'x is under way for 5.0 s'),
        ({**IDLE, 'transition': SLOW}, WARN, 'x is under way for 61.0 s, more than'),
        ({**IDLE, 'busy_s': 3.0, 'transition': LOADING}, ERROR, 'for 5.0 s; stalled'),
    ],
)
def test_conditions_turn_the_level(
    healthy: Statistics, change: dict[str, Any], level: bytes, words: str
) -> None:
    status = status_of(healthy, dataclasses.replace(HEALTHY, **change))
    assert (status.level, words in status.message) == (level, True), status.message


def test_latency_turns_the_level_within_the_window(clock: Time) -> None:
    statistics = Statistics()
    for _ in range(100):
        answer(statistics)
        clock.now_s += 0.2
    assert status_of(statistics).level == OK
    for _ in range(15):
        answer(statistics, latency_ms=60.0)
        clock.now_s += 0.2
    status = status_of(statistics)
    assert (status.level, 'max_latency_ms is 50' in status.message) == (WARN, True)


@pytest.mark.parametrize(
    ('age_ms', 'words'),
    [
        (20.0, ''),
        (-20.0, ''),
        (None, 'frames carry no stamp, max_age_ms is 50; let the camera driver set it'),
        (3.6e6, 'frames are 3600000 ms old when answered, max_age_ms is 50; check the clocks'),
        (-7.2e6, 'frames are stamped 7200000 ms ahead when answered, max_age_ms is 50'),
    ],
)
def test_stamps_of_another_clock_are_told(
    healthy: Statistics, age_ms: float | None, words: str
) -> None:
    healthy.received()
    healthy.published({'latency': 20.0} | ({} if age_ms is None else {'age': age_ms}))
    status = status_of(healthy, limits=dataclasses.replace(LIMITS, max_age_ms=50.0))
    assert (status.level, words in status.message) == (WARN if words else OK, True)
    assert status_of(healthy).level == OK


@pytest.mark.parametrize(('age_ms', 'remedy'), [(90.0, 'they take 70 ms'), (3.6e6, 'check the')])
def test_a_slow_model_is_not_laid_to_the_clocks(age_ms: float, remedy: str) -> None:
    statistics = Statistics()
    statistics.published({'latency': 70.0, 'age': age_ms})
    status = status_of(statistics, limits=dataclasses.replace(LIMITS, max_age_ms=50.0))
    assert f'is 50; {remedy}' in status.message


@pytest.mark.parametrize(
    ('limit_hz', 'max_rate_hz', 'words'),
    [
        (3.0, 0.0, 'min_rate_hz is 3'),
        (1.9, 0.0, ''),
        # What the rate limit lets pass is enough.
        (3.0, 2.0, ''),
        (9.0, 2.5, '2.25 are expected with max_rate_hz 2.5'),
    ],
)
def test_rate_turns_the_level(
    clock: Time, limit_hz: float, max_rate_hz: float, words: str
) -> None:
    limits = dataclasses.replace(LIMITS, min_rate_hz=limit_hz, max_rate_hz=max_rate_hz)
    statistics = Statistics()

    def run(seconds: float) -> str:
        for _ in range(int(2 * seconds)):
            answer(statistics)
            clock.now_s += 0.5
        status = status_of(statistics, limits=limits)
        assert status.level == (WARN if 'answers per second' in status.message else OK)
        return '' if status.level == OK else str(status.message)

    assert run(4.0) == ''
    assert words in run(4.0)
    # Nobody asked for more: the whole window counts anew.
    statistics.pause()
    assert run(4.0) == ''
    assert bool(run(4.0)) == bool(words)


@example(camera_hz=0.625, share=0.9375, phase=0.0)
@example(camera_hz=0.97265625, share=1.0, phase=0.0)
@example(camera_hz=0.734375, share=0.921875, phase=0.0)
@given(camera_hz=st.floats(0.1, 120.0), share=st.floats(0.1, 1.0), phase=st.floats(0.0, 1.0))
def test_a_limited_rate_is_no_slow_one(camera_hz: float, share: float, phase: float) -> None:
    clock = Time()
    limit_hz = share * camera_hz
    limits = dataclasses.replace(LIMITS, min_rate_hz=limit_hz, max_rate_hz=limit_hz)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, 'monotonic', clock)
        statistics, due_s, reported_s = Statistics(), clock.now_s, clock.now_s + phase
        for number in range(int(min(40.0 * camera_hz, 300.0))):
            clock.now_s = 100.0 + number / camera_hz
            frame_s = clock.now_s
            while reported_s < frame_s:  # as the reporter does, between the frames
                clock.now_s = reported_s
                message = status_of(statistics, limits=limits).message
                assert 'answers per second' not in message
                reported_s += 1.0
            clock.now_s = frame_s
            statistics.received()
            if clock.now_s >= due_s:
                statistics.published({'latency': 20.0})
                due_s += 1.0 / limit_hz
            else:
                statistics.dropped('rate_limited')


@given(period_s=st.floats(0.02, 60.0), phase=st.floats(0.0, 1.0))
def test_any_rate_is_told(period_s: float, phase: float) -> None:
    clock = Time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, 'monotonic', clock)
        statistics = Statistics()
        for _ in range(int(12.0 / period_s) + 3):
            clock.now_s += period_s
            answer(statistics)
        clock.now_s += phase * period_s
        snapshot = statistics.snapshot()
        assert snapshot.output_rate_hz == pytest.approx(1.0 / period_s, rel=1e-6)
        # A limit below the rate is never said to be broken.
        limits = dataclasses.replace(LIMITS, min_rate_hz=0.99 / period_s)
        assert 'min_rate_hz' not in status_of(statistics, limits=limits).message
        # And silence is.
        clock.now_s += max(5.1, 2.01 * period_s)
        assert statistics.snapshot().output_rate_hz == 0.0
        assert 'min_rate_hz' in status_of(statistics, limits=limits).message


@pytest.mark.parametrize(('lost', 'is_told'), [(0, False), (2, False), (3, True), (43, True)])
def test_images_that_get_lost_before_the_node_are_told(
    healthy: Statistics, lost: int, is_told: bool
) -> None:
    healthy.lost(lost)
    status = status_of(healthy)
    told = f'{lost} of the last {lost + 10} images on /image got lost before the node; start the'
    assert (told in status.message) == is_told
    assert status.level == (WARN if is_told else OK)
    assert (f'{profiles_variable()}=' in status.message) == is_told
    assert {one.key: one.value for one in status.values}['lost'] == str(lost)


def test_old_latencies_turn_no_level(clock: Time) -> None:
    statistics = Statistics()
    answer(statistics, latency_ms=60.0)
    limits = dataclasses.replace(LIMITS, min_rate_hz=0.0)
    assert 'latency is 60 ms' in status_of(statistics, limits=limits).message
    clock.now_s += 6.0
    assert 'latency' not in status_of(statistics, limits=limits).message


def test_no_more_than_all_frames_are_dropped(clock: Time) -> None:
    statistics = Statistics()
    for _ in range(2):
        statistics.received()
    clock.now_s += 6.0
    statistics.received()
    for _ in range(2):
        statistics.dropped('replaced')
    assert '100% of the frames dropped' in status_of(statistics).message


def test_dropped_frames_turn_the_level_by_reason_and_share(healthy: Statistics) -> None:
    def drop(reason: str, frames: int) -> Any:
        for _ in range(frames):
            healthy.received()
            healthy.dropped(reason)
        return status_of(healthy)

    assert drop('rate_limited', 100).level == OK
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


def test_an_error_hides_no_warning(clock: Time) -> None:
    statistics = Statistics()
    statistics.received()
    statistics.dropped('bad_length')
    clock.now_s += 3.0
    status = status_of(statistics)
    assert status.level == ERROR
    expected = 'no frame could be answered: bad_length; no image on /image for 3.0 s'
    assert status.message.startswith(expected)
    assert 'frames were dropped' not in status.message


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
    path = ROOT / 'config' / name
    values = yaml.safe_load(path.read_text())['/**']['ros__parameters'] if name else {}
    keys = ('diagnostics_period_s', 'stall_after_s')
    limits = NodeConfig(**{key: values[key] for key in keys if name})
    # The second report after the stall, which begins somewhere between two.
    stalled_s = (phase + 1.0) * limits.diagnostics_period_s
    stalled = dataclasses.replace(HEALTHY, busy_s=stalled_s)
    assert status_of(Statistics(), stalled, limits).level == ERROR
    silent = dataclasses.replace(HEALTHY, active_for_s=stalled_s)
    assert 'no image' in status_of(Statistics(), silent, limits).message
