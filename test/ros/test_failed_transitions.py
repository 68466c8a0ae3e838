# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What a transition that fails, or ends before its time, leaves behind: nothing."""

from __future__ import annotations

import threading
import time
from typing import Any

from depthforge_ros.ros.camera import Camera
from depthforge_ros.ros.topics.outputs import BUILDERS
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State, Transition
import pytest
from sensor_msgs.msg import Image
from support.node import (
    change_state,
    count,
    get_state,
    latest,
    make_image,
    MASK,
    node_in_process,
    reliable,
)

BAD = {'qos_overrides./left/image.subscription.reliability': 'often'}


def workers() -> int:
    return sum(thread.name == 'depthforge_worker' for thread in threading.enumerate())


def test_an_activation_that_fails_subscribes_to_nothing(peer: Any) -> None:
    before = workers()
    with node_in_process(autostart=False, **reliable('front', 'left') | BAD) as node:
        assert change_state(peer, Transition.TRANSITION_CONFIGURE)
        for _ in range(3):
            assert not change_state(peer, Transition.TRANSITION_ACTIVATE)
            assert node.count_subscribers('/front/image') == 0
            assert workers() == before
        assert get_state(peer) == State.PRIMARY_STATE_INACTIVE
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        peer.spin_until(lambda: 'activate failed: ' in latest(reports).get('last_error', ''))
        assert change_state(peer, Transition.TRANSITION_CLEANUP)


@pytest.mark.parametrize('is_lost', [False, True])
def test_a_shutdown_that_fails_is_told(
    peer: Any, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    with node_in_process() as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        stop, calls = node._stop, []

        def fail(**options: Any) -> None:
            calls.append(options)
            if len(calls) == 1 or is_lost:
                raise RuntimeError('bad luck')
            stop(**options)

        monkeypatch.setattr(node, '_stop', fail)
        assert not change_state(peer, Transition.TRANSITION_ACTIVE_SHUTDOWN)
        monkeypatch.undo()
        state = State.PRIMARY_STATE_FINALIZED if is_lost else State.PRIMARY_STATE_UNCONFIGURED
        assert get_state(peer) == state
        before = len(reports)
        peer.spin_until(lambda: len(reports) > before + 1)
        status = reports[-1].status[0]
        assert status.level == DiagnosticStatus.ERROR
        assert 'RuntimeError: bad luck' in status.message
        assert ('only a restart' in status.message) == is_lost


def test_a_frame_that_deactivation_overtakes_is_not_counted_as_published(
    peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('depthforge_ros.ros.rig.DRAIN_TIMEOUT_S', 0.2)
    kind, build = BUILDERS['mask']
    begun, released = threading.Event(), threading.Event()

    def build_late(answer: Any) -> Any:
        begun.set()
        assert released.wait(60.0)
        return build(answer)

    monkeypatch.setitem(BUILDERS, 'mask', (kind, build_late))  # type: ignore[arg-type]
    with node_in_process() as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        peer.publisher(Image, '/image', seen_by=node).publish(make_image(1))
        peer.spin_until(begun.is_set)
        assert change_state(peer, Transition.TRANSITION_DEACTIVATE)
        released.set()
        deadline_s = time.monotonic() + 10.0
        while count(node).in_flight and time.monotonic() < deadline_s:
            peer.spin_for(0.05)
        final = count(node)
        assert (final.received, final.published, final.dropped) == (1, 0, {'deactivated': 1})
        assert masks == []


def test_a_signal_during_cleanup_lets_the_node_close(monkeypatch: pytest.MonkeyPatch) -> None:
    free = Camera.destroy
    with node_in_process(cameras=['a', 'b']) as node:
        node.trigger_deactivate()

        def interrupted(camera: Any) -> None:
            free(camera)
            monkeypatch.setattr(Camera, 'destroy', free)
            raise KeyboardInterrupt

        monkeypatch.setattr(Camera, 'destroy', interrupted)
        with pytest.raises(KeyboardInterrupt):
            node._free()
        assert node._rig is None


def test_a_frame_left_behind_is_told_after_cleanup_too(peer: Any, engine: Any) -> None:
    with node_in_process() as node:
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(14))
        peer.spin_until(lambda: node._rig.busy_s)
        assert change_state(peer, Transition.TRANSITION_DEACTIVATE)
        assert change_state(peer, Transition.TRANSITION_CLEANUP)
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        peer.spin_until(lambda: 'left behind' in latest(reports).get('last_error', ''))
        status = reports[-1].status[0]
        assert 'has been in work for' in status.message
        assert status.level == DiagnosticStatus.ERROR
        for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP):
            assert change_state(peer, transition)
            before = len(reports)
            peer.spin_until(lambda: len(reports) > before + 1)  # noqa: B023
            assert 'has been in work for' in reports[-1].status[0].message
        engine.released.set()
        peer.spin_until(lambda: reports[-1].status[0].message == 'not configured')
