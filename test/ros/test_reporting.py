# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the node says of itself while it is busy, and of each fault of each camera."""

from __future__ import annotations

from collections.abc import Callable
import threading
import time
from typing import Any

from depthforge_ros.ros import node as node_module
from depthforge_ros.ros.diagnostics.reporter import Reporter
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from support.node import (
    change_state,
    count,
    FaultyEngine,
    latest,
    make_image,
    node_in_process,
    reliable,
)

BUSY_S = 1.0


def slowly(action: Callable[..., Any]) -> Callable[..., Any]:
    def act(*args: Any, **options: Any) -> Any:
        time.sleep(BUSY_S)
        return action(*args, **options)

    return act


def test_reports_go_on_while_a_model_loads_and_a_frame_is_drained(
    peer: Any, engine: FaultyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, 'load_engine', slowly(lambda *_, **__: engine))
    monkeypatch.setattr('depthforge_ros.ros.rig.DRAIN_TIMEOUT_S', 10.0)
    with node_in_process(autostart=False, stall_after_s=10.0 * BUSY_S) as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        assert change_state(peer, Transition.TRANSITION_CONFIGURE)
        told = [one.status[0].message for one in reports]
        assert sum(text.startswith('configure is under way for ') for text in told) > 4
        assert change_state(peer, Transition.TRANSITION_ACTIVATE)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(14))
        peer.spin_until(lambda: node._rig.busy_s > 0.0)
        threading.Timer(BUSY_S, engine.released.set).start()
        before = len(reports)
        assert change_state(peer, Transition.TRANSITION_DEACTIVATE)
        told = [one.status[0] for one in reports[before:]]
        assert sum('deactivate is under way' in one.message for one in told) > 4
        assert all(one.level != DiagnosticStatus.ERROR for one in told), told
        assert change_state(peer, Transition.TRANSITION_CLEANUP)
        peer.spin_until(lambda: reports[-1].status[0].message == 'not configured')
        # Monitors tell statuses by their names, which are the same in every state.
        assert {status.name for one in reports for status in one.status} == {'/depthforge: camera'}


def test_every_camera_has_its_status_in_every_state(peer: Any) -> None:
    with node_in_process(autostart=False, **reliable('left', 'right')) as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        peer.spin_until(lambda: reports)
        assert change_state(peer, Transition.TRANSITION_CONFIGURE)
        before = len(reports)
        peer.spin_until(lambda: len(reports) > before + 1)
        for one in reports:
            assert [status.name for status in one.status] == [
                '/depthforge: left',
                '/depthforge: right',
            ]


def test_a_report_that_fails_is_not_the_last(
    peer: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with node_in_process() as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        monkeypatch.setattr(node, '_statuses', lambda: 1 // 0)
        peer.spin_for(0.3)
        monkeypatch.undo()
        before = len(reports)
        peer.spin_until(lambda: len(reports) > before)
        assert reports[-1].status[0].level in (DiagnosticStatus.OK, DiagnosticStatus.WARN)
    assert 'no diagnostics: ZeroDivisionError' in capfd.readouterr().err


def test_another_period_counts_at_once(peer: Any) -> None:
    with node_in_process(autostart=False, diagnostics_period_s=50.0) as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        assert node.set_parameters([Parameter('diagnostics_period_s', value=0.1)])[0].successful
        peer.spin_until(lambda: len(reports) > 2, timeout_s=10.0)


def test_no_report_follows_the_stop() -> None:
    calls: list[int] = []
    reporter = Reporter(lambda: calls.append(1), lambda: 0.001)
    while len(calls) < 3:
        time.sleep(0.001)
    reporter.stop()
    before = len(calls)
    time.sleep(0.02)
    assert len(calls) == before


def test_each_fault_of_each_camera_is_logged(
    peer: Any, engine: FaultyEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    with node_in_process(**reliable('left', 'right')) as node:
        statistics = [camera.statistics for camera in node._rig.cameras]
        for number, level in enumerate((12, 13, 13), 1):
            for side, name in enumerate(('left', 'right')):
                publisher = peer.publisher(Image, f'/{name}/image', seen_by=node)
                publisher.publish(make_image(level))
                peer.spin_until(
                    lambda side=side, number=number: (
                        sum(statistics[side].snapshot().dropped.values()) == number
                    )
                )
                peer.node.destroy_publisher(publisher)
    log = capfd.readouterr().err
    for name in ('left', 'right'):
        for reason in ('out_of_memory', 'internal_error'):
            assert log.count(f'frame dropped ({reason}) on /{name}/image') == 1


def test_a_frame_that_the_end_overtakes_is_no_fault(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with node_in_process() as node:
        node.context.try_shutdown()
        (camera,) = node._rig.cameras
        camera.statistics.received()
        camera.drop(RuntimeError('the context is gone'))
        assert count(node).dropped == {'deactivated': 1}
        assert count(node).last_error == ''
    assert 'frame dropped' not in capfd.readouterr().err


def test_without_a_scale_the_way_to_it_is_told(peer: Any) -> None:
    for values, told in (({}, 'set camera_height_m or metric_scale'), ({'metric_scale': 2.0}, '')):
        with node_in_process(**values) as node:
            reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
            peer.spin_until(lambda reports=reports: 'topic' in latest(reports))
            assert told in latest(reports).get('metric_depth', '')
            assert bool(told) == ('metric_depth' in latest(reports))
