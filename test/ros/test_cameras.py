# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Several cameras on one node: batches, names, and that none of them waits for another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import os
import threading
import time
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.ros import rig
from depthforge_ros.ros.camera import Frame
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.worker import Worker
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from hypothesis import given
from hypothesis import strategies as st
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from support.node import (
    change_state,
    FaultyEngine,
    identity,
    make_image,
    node_in_process,
    reliable,
)

NAMES = ['front', 'left', 'right']
SOURCES = st.sampled_from(NAMES)


def mask_of(name: str) -> str:
    return f'/depthforge/{name}/segmentation/mask'


def counts(node: Any) -> dict[str, Any]:
    return {camera.name: camera.statistics.snapshot() for camera in node._rig.cameras}


def received(node: Any) -> int:
    return sum(one.received for one in counts(node).values())


def test_what_came_during_a_batch_makes_the_next(peer: Any, engine: FaultyEngine) -> None:
    with node_in_process(**reliable(*NAMES)) as node:
        masks = {name: peer.subscribe(Image, mask_of(name), seen_by=node) for name in NAMES}
        cameras = {name: peer.publisher(Image, f'/{name}/image', seen_by=node) for name in NAMES}
        cameras['front'].publish(make_image(14))
        peer.spin_until(lambda: node._rig.busy_s > 0.0)
        for number, name in enumerate(['front', 'left', 'right', 'left'], start=20):
            cameras[name].publish(make_image(number))
            peer.spin_until(lambda: received(node) == number - 18)  # noqa: B023
        engine.released.set()
        peer.spin_until(lambda: sum(map(len, masks.values())) == 4)
        peer.spin_until(lambda: all(one.in_flight == 0 for one in counts(node).values()))
        final = counts(node)
    stamps = {name: [mask.header.stamp.sec for mask in masks[name]] for name in NAMES}
    assert stamps == {'front': [1014, 1020], 'left': [1023], 'right': [1022]}
    assert engine.batches[-2:] == [1, 3]
    assert final['left'].dropped == {'replaced': 1}


class Crowd:
    """Makes each call of a function wait for two others, but not for long."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.most = 0
        self._function = function
        self._inside = 0
        self._changed = threading.Condition()

    def __call__(self, *given: Any, **options: Any) -> Any:
        with self._changed:
            self._inside += 1
            self.most = max(self.most, self._inside)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most == 3, timeout=1.0)
        answer = self._function(*given, **options)
        with self._changed:
            self._inside -= 1
        return answer


def test_frames_of_all_cameras_are_read_and_answered_at_once(
    peer: Any, engine: FaultyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {0, 1, 2})
    crowds = [Crowd(rig.decode), Crowd(rig.to_camera)]
    monkeypatch.setattr(rig, 'decode', crowds[0])
    monkeypatch.setattr(rig, 'to_camera', crowds[1])
    with node_in_process(**reliable(*NAMES)) as node:
        cameras = {name: peer.publisher(Image, f'/{name}/image', seen_by=node) for name in NAMES}
        cameras['front'].publish(make_image(14))
        peer.spin_until(lambda: node._rig.busy_s > 0.0)
        for number, name in enumerate(NAMES):
            cameras[name].publish(make_image(20 + number))
            peer.spin_until(lambda number=number: received(node) == number + 2)
        engine.released.set()
        peer.spin_until(lambda: sum(one.published for one in counts(node).values()) == 4)
    assert engine.batches[-1] == 3
    assert [crowd.most for crowd in crowds] == [3, 3]


def test_a_batch_that_outlives_the_rig_ends_well(peer: Any, engine: FaultyEngine) -> None:
    ended: list[Any] = []
    with node_in_process(**reliable('front', 'left')) as node:
        old, both = node._rig, dict.fromkeys(node._rig.cameras)
        for camera in both:
            camera.statistics.received()
        frame = Frame(make_image(14), time.perf_counter())
        batch = threading.Thread(
            target=lambda: ended.append(old._answer(dict.fromkeys(both, frame)))
        )
        batch.start()
        node.trigger_deactivate()
        node.trigger_cleanup()
        engine.released.set()
        batch.join(10.0)
        assert ended == [None]
        assert [camera.statistics.snapshot().dropped for camera in both] == [
            {'deactivated': 1}
        ] * 2
        threads = [one.name for one in threading.enumerate()]
    assert any(name.startswith('depthforge_frames') for name in threads)


def test_a_silent_or_broken_camera_leaves_the_others_alone(
    peer: Any, engine: FaultyEngine
) -> None:
    del engine
    with node_in_process(stall_after_s=0.4, **reliable(*NAMES)) as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        masks = peer.subscribe(Image, mask_of('front'), seen_by=node)
        front = peer.publisher(Image, '/front/image', seen_by=node)
        left = peer.publisher(Image, '/left/image', seen_by=node)

        def levels() -> dict[str, bytes]:
            return {s.name.split(': ')[1]: s.level for s in reports[-1].status} if reports else {}

        def is_judged() -> bool:
            number = 100 + len(masks)
            front.publish(make_image(number))
            left.publish(make_image(13))
            peer.spin_until(lambda: len(masks) > number - 100)
            assert identity(masks[-1]) == identity(make_image(number))
            return levels() == {
                'front': DiagnosticStatus.OK,
                'left': DiagnosticStatus.ERROR,
                'right': DiagnosticStatus.WARN,
            }

        peer.spin_until(is_judged)
        final = counts(node)
    assert final['front'].dropped == {}
    assert set(final['left'].dropped) <= {'internal_error', 'replaced'}
    assert final['right'].received == 0


def test_cameras_of_different_sizes_are_answered(peer: Any) -> None:
    with node_in_process(**reliable('front', 'left')) as node:
        sizes = {'front': (48, 64), 'left': (90, 60)}
        masks = {name: peer.subscribe(Image, mask_of(name), seen_by=node) for name in sizes}
        for name, (height, width) in sizes.items():
            publisher = peer.publisher(Image, f'/{name}/image', seen_by=node)
            publisher.publish(make_image(1, height=height, width=width))
        peer.spin_until(lambda: all(masks.values()))
    assert {name: (m[0].height, m[0].width) for name, m in masks.items()} == sizes


def test_rate_of_one_camera_is_limited_at_runtime(peer: Any) -> None:
    names = ['front', 'left']
    with node_in_process(**reliable(*names)) as node:
        publishers = [peer.publisher(Image, f'/{name}/image', seen_by=node) for name in names]
        assert node.set_parameters([Parameter('left.max_rate_hz', value=0.01)])[0].successful
        for number in range(1, 4):
            for publisher in publishers:
                publisher.publish(make_image(number))
            peer.spin_until(
                lambda: all(one.received == number for one in counts(node).values())  # noqa: B023
            )
        assert counts(node)['left'].dropped == {'rate_limited': 2}
        assert 'rate_limited' not in counts(node)['front'].dropped
        outcome = node.set_parameters([Parameter('left.max_rate_hz', value=-1.0)])[0]
    assert (outcome.successful, 'left.max_rate_hz' in outcome.reason) == (False, True)


def test_a_higher_rate_counts_at_once(peer: Any) -> None:
    with node_in_process(max_rate_hz=0.01) as node:
        publisher = peer.publisher(Image, '/image', seen_by=node)

        def send(frames: int) -> Any:
            before = counts(node)[''].received
            for number in range(1, frames + 1):
                publisher.publish(make_image(number))
                peer.spin_until(lambda: counts(node)[''].received == before + number)  # noqa: B023
            peer.spin_until(lambda: counts(node)[''].in_flight == 0)
            return counts(node)[''].dropped.get('rate_limited', 0)

        assert send(2) == 1
        assert node.set_parameters([Parameter('max_rate_hz', value=1000.0)])[0].successful
        peer.spin_for(0.01)
        assert send(1) == 1
        assert node.set_parameters([Parameter('max_rate_hz', value=0.01)])[0].successful
        assert send(1) == 2
        assert change_state(peer, Transition.TRANSITION_DEACTIVATE)
        peer.spin_until(lambda: publisher.get_subscription_count() == 0)
        assert change_state(peer, Transition.TRANSITION_ACTIVATE)
        peer.spin_until(lambda: publisher.get_subscription_count() == 1)
        assert send(2) == 3


def test_a_rate_is_measured_anew_once_its_limit_changes(peer: Any) -> None:
    with node_in_process(cameras=['a', 'b']) as node:
        publisher = peer.publisher(Image, '/a/image', seen_by=node)
        publisher.publish(make_image(1))
        peer.spin_until(lambda: counts(node)['a'].recently_received == 1)
        assert node.set_parameters([Parameter('b.max_rate_hz', value=1.0)])[0].successful
        assert counts(node)['a'].recently_received == 1
        assert node.set_parameters([Parameter('a.max_rate_hz', value=1.0)])[0].successful
        assert counts(node)['a'].recently_received == 0
        assert counts(node)['a'].received == 1


def test_what_a_camera_has_of_its_own_can_be_set_before_configure() -> None:
    def outcome(name: str, value: Any) -> bool:
        return bool(node.set_parameters([Parameter(name, value=value)])[0].successful)

    with node_in_process(autostart=False, cameras=['front']) as node:
        assert outcome('front.camera_height_m', 1.5)
        assert not node.has_parameter('left.camera_height_m')
        assert outcome('cameras', ['front', 'left'])
        assert outcome('left.camera_height_m', 2.0)
        node.trigger_configure()
        heights = [camera.metric.config.camera_height_m for camera in node._rig.cameras]
    assert heights == [1.5, 2.0]


def test_a_frame_keeps_the_parameters_that_it_began_with(peer: Any, engine: FaultyEngine) -> None:
    with node_in_process(confidence_floor=0.0, overlay_alpha=1.0) as node:
        masks = peer.subscribe(Image, '/depthforge/segmentation/mask', seen_by=node)
        overlays = peer.subscribe(Image, '/depthforge/segmentation/overlay', seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(14))
        peer.spin_until(lambda: node._rig.busy_s > 0.0)
        changes = {'confidence_floor': 1.0, 'overlay_alpha': 0.0}
        given = [Parameter(name, value=value) for name, value in changes.items()]
        assert node.set_parameters_atomically(given).successful
        engine.released.set()
        publisher.publish(make_image(99))
        peer.spin_until(lambda: len(masks) == len(overlays) == 2)
    old, new = (np.asarray(mask.data) for mask in masks)
    assert (old != 255).all()
    assert (new == 255).mean() > 0.9
    old, new = (np.asarray(overlay.data) for overlay in overlays)
    assert (old != 14).all()
    assert (new == 99).all()


@pytest.mark.parametrize(
    'names', [(), ('front', 'front'), ('front', ''), ('a/b',), ('1st',), ('',) * 2]
)
def test_names_that_make_no_topics_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match='cameras'):
        NodeConfig(cameras=names)


@given(st.lists(st.tuples(SOURCES, st.integers()), max_size=30))
def test_worker_handles_or_returns_every_item_newest_first(items: list[tuple[str, int]]) -> None:
    handled: list[Mapping[str, int]] = []
    begun, free = threading.Event(), threading.Event()

    def handle(batch: Mapping[str, int]) -> None:
        begun.set()
        assert free.wait(10.0)
        handled.append(dict(batch))

    worker: Worker[str, int] = Worker(handle)
    assert worker.put('first', 0) is None
    assert begun.wait(10.0)
    returned = [old for item in items if (old := worker.put(*item)) is not None]
    free.set()
    newest = dict(items)
    while len(handled) < 1 + bool(newest):
        time.sleep(0.001)
    assert not worker.stop(10.0)
    assert handled == [{'first': 0}, *([newest] if newest else [])]
    assert len(returned) + len(newest) == len(items)
