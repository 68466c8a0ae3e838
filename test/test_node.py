# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The node over real DDS, with an engine that costs nothing or breaks on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import signal
import threading
from typing import Any

import cv2
from depthforge_ros.engine import load_engine
from depthforge_ros.labels import CAMVID
from depthforge_ros.postprocess import overlay
from depthforge_ros.ros import camera, parameters
from depthforge_ros.ros import node as node_module
from depthforge_ros.ros.messages import image_message
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

MASK = '/depthforge/segmentation/mask'
OVERLAY = '/depthforge/segmentation/overlay'
DEPTH = '/depthforge/depth/relative'
NULL = ('-p', 'engine:=null')
RELIABLE = {'qos_overrides./image.subscription.reliability': 'reliable'}


def make_image(number: int, *, height: int = 48, width: int = 64) -> Any:
    header = Header(frame_id='front_camera')
    header.stamp.sec, header.stamp.nanosec = 1000 + number, 123_456_789
    pixels = np.full((height, width, 3), number % 256, np.uint8)
    return image_message(header, encoding='rgb8', pixels=pixels)


def identity(message: Any) -> tuple[int, int, str]:
    header = message.header
    return header.stamp.sec, header.stamp.nanosec, header.frame_id


def figures(status: Any) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def latest(reports: list[Any]) -> dict[str, str]:
    return figures(reports[-1].status[0]) if reports else {}


def count(node: Any) -> Any:
    return node._camera.statistics.snapshot()


def change_state(peer: Any, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(call(peer, ChangeState, 'change_state', request).success)


def get_state(peer: Any) -> int:
    return int(call(peer, GetState, 'get_state', GetState.Request()).current_state.id)


def call(peer: Any, kind: Any, name: str, request: Any) -> Any:
    future = peer.client(kind, f'/depthforge/{name}').call_async(request)
    peer.spin_until(future.done)
    return future.result()


class FaultyEngine:
    """The null engine, which raises on frames of 13s and hangs on 14s until released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self._engine = load_engine('depthforge_tiny', engine='null')

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def __call__(self, images: Any) -> Any:
        if images[0, 0, 0, 0] == 13:
            raise RuntimeError('the engine\nbroke')
        if images[0, 0, 0, 0] == 14:
            assert self.released.wait(60.0)
        return self._engine(images)


@contextmanager
def node_in_process(**values: Any) -> Iterator[Any]:
    """Run the node in a thread of this process, with these parameters."""
    given = {'engine': 'null', 'diagnostics_period_s': 0.1} | RELIABLE | values
    context = Context()
    rclpy.init(args=[], context=context)
    node = node_module.DepthforgeNode(
        context=context,
        parameter_overrides=[Parameter(name, value=value) for name, value in given.items()],
    )
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    try:
        node.start()
        thread.start()
        yield node
    finally:
        executor.shutdown()
        node.close()
        context.try_shutdown()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyEngine]:
    faulty = FaultyEngine()
    monkeypatch.setattr(node_module, 'load_engine', lambda *_, **__: faulty)
    monkeypatch.setattr(camera, 'DRAIN_TIMEOUT_S', 0.2)
    yield faulty
    faulty.released.set()


def test_executable_answers_with_the_header_of_the_image(
    peer: Any, start_node: Callable[..., Any]
) -> None:
    reliable = [f'{name}:={value}' for name, value in RELIABLE.items()]
    with start_node(*NULL, '-p', reliable[0]) as process:
        masks, depths = peer.subscribe(Image, MASK), peer.subscribe(Image, DEPTH)
        publisher = peer.publisher(Image, '/image')
        for number in range(3):
            publisher.publish(make_image(number))
            peer.spin_until(lambda: len(masks) == len(depths) == number + 1)  # noqa: B023
        expected = [identity(make_image(number)) for number in range(3)]
        assert [identity(mask) for mask in masks] == expected
        assert [identity(depth) for depth in depths] == expected
        assert process.end(signal.SIGINT)[0] == 0
    mask = np.frombuffer(masks[0].data, np.uint8).reshape(48, 64)
    assert (masks[0].encoding, masks[0].step) == ('mono8', 64)
    assert set(np.unique(mask)) == set(range(len(CAMVID)))
    depth = np.frombuffer(depths[0].data, np.float32).reshape(48, 64)
    assert (depths[0].encoding, depths[0].step) == ('32FC1', 256)
    assert np.all(np.diff(depth[:, 0]) >= 0.0)
    assert depth.max() == pytest.approx(10.0, rel=0.05)


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (('-p', 'model:=nothing'), ("'nothing'", 'depthforge_tiny')),
        (('-p', 'engine:=warp'), ("'warp'", 'eager, null')),
        ((*NULL, '-p', 'short_side:=-5'), ('short_side', '-5', 'from 0 to 8192')),
        ((*NULL, '-p', 'overlay_alpha:=1'), ('overlay_alpha', '1', '0.0 to 1.0')),
        ((*NULL, '-p', 'image_transport:=zip'), ('image_transport', 'zip', 'raw, compressed')),
        ((*NULL, '-p', 'autostart:=maybe'), ('autostart', 'maybe', 'true or false')),
        (
            (*NULL, '-p', 'qos_overrides./image.subscription.reliability:=often'),
            ('image', 'often', 'best_effort'),
        ),
        (('--params-file', 'missing.yaml'), ('missing.yaml',)),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert node_module.main(['--ros-args', *arguments]) == 2
    errors = capsys.readouterr().err.strip()
    assert errors.startswith('depthforge node: error: ')
    assert '\n' not in errors
    assert all(text in errors for text in expected), errors


def test_frames_of_all_kinds_are_counted_exactly(peer: Any, engine: FaultyEngine) -> None:
    del engine
    with node_in_process(max_pixels=10_000) as node:
        masks = peer.subscribe(Image, MASK)
        publisher = peer.publisher(Image, '/image')
        empty, short, odd = make_image(1), make_image(2), make_image(3)
        empty.height = empty.width = 0
        short.data = short.data[:-1]
        odd.encoding = 'rgb9'
        bad = [empty, short, odd, make_image(4, height=101, width=100), make_image(13)]
        for number, message in enumerate(bad, start=1):
            publisher.publish(message)
            peer.spin_until(lambda: sum(count(node).dropped.values()) == number)  # noqa: B023
            publisher.publish(make_image(100 + number))
            peer.spin_until(lambda: len(masks) == number)  # noqa: B023
        final = count(node)
    assert [mask.header.stamp.sec for mask in masks] == [1101, 1102, 1103, 1104, 1105]
    assert final.dropped == {
        'empty_image': 1,
        'bad_length': 1,
        'unknown_encoding': 1,
        'too_large': 1,
        'internal_error': 1,
    }
    assert (final.received, final.published, final.in_flight) == (10, 5, 0)
    assert final.last_error == 'RuntimeError: the engine broke'


def test_a_burst_is_answered_newest_first_and_counted(peer: Any, engine: FaultyEngine) -> None:
    with node_in_process(**{'qos_overrides./image.subscription.depth': 10}) as node:
        masks = peer.subscribe(Image, MASK)
        publisher = peer.publisher(Image, '/image')
        publisher.publish(make_image(14))
        peer.spin_until(lambda: node._camera.busy_s > 0.0)
        for number in range(20, 25):
            publisher.publish(make_image(number))
            peer.spin_until(lambda: count(node).received == number - 18)  # noqa: B023
        assert count(node).in_flight == 2
        engine.released.set()
        peer.spin_until(lambda: len(masks) == 2)
        final = count(node)
    assert [mask.header.stamp.sec for mask in masks] == [1014, 1024]
    assert (final.received, final.published, final.in_flight) == (6, 2, 0)
    assert final.dropped == {'replaced': 4}


def test_diagnostics_report_a_hanging_engine(peer: Any, engine: FaultyEngine) -> None:
    with node_in_process(stall_after_s=0.3):
        reports = peer.subscribe(DiagnosticArray, '/diagnostics')
        publisher = peer.publisher(Image, '/image')
        publisher.publish(make_image(1))
        peer.spin_until(lambda: latest(reports).get('published') == '1')
        status = reports[-1].status[0]
        assert status.level == DiagnosticStatus.OK, status.message
        assert figures(status)['model'] == 'depthforge_tiny'
        assert float(figures(status)['latency_ms_p50']) > 0.0
        publisher.publish(make_image(14))
        peer.spin_until(lambda: reports[-1].status[0].level == DiagnosticStatus.ERROR)
        assert 'stalled' in reports[-1].status[0].message
        assert latest(reports)['in_flight'] == '1'
        engine.released.set()
        peer.spin_until(lambda: latest(reports)['published'] == '2')
        assert reports[-1].status[0].level != DiagnosticStatus.ERROR


def test_diagnostics_report_a_silent_camera(peer: Any) -> None:
    # Nobody publishes /clock either: simulated time stands still, the report must not.
    with node_in_process(stall_after_s=0.2, use_sim_time=True):
        reports = peer.subscribe(DiagnosticArray, '/diagnostics')
        peer.spin_until(lambda: reports and reports[-1].status[0].level == DiagnosticStatus.WARN)
        assert 'no image on /image' in reports[-1].status[0].message


def test_lifecycle_goes_down_and_up_again(peer: Any) -> None:
    with node_in_process() as node:
        masks = peer.subscribe(Image, MASK)
        publisher = peer.publisher(Image, '/image')
        publisher.publish(make_image(1))
        peer.spin_until(lambda: len(masks) == 1)
        assert change_state(peer, Transition.TRANSITION_DEACTIVATE)
        assert get_state(peer) == State.PRIMARY_STATE_INACTIVE
        peer.spin_until(lambda: publisher.get_subscription_count() == 0)
        assert change_state(peer, Transition.TRANSITION_ACTIVATE)
        peer.spin_until(lambda: publisher.get_subscription_count() == 1)
        publisher.publish(make_image(2))
        peer.spin_until(lambda: len(masks) == 2)
        assert count(node).received == 2
        assert change_state(peer, Transition.TRANSITION_DEACTIVATE)
        assert change_state(peer, Transition.TRANSITION_CLEANUP)
        assert get_state(peer) == State.PRIMARY_STATE_UNCONFIGURED
        peer.spin_until(lambda: peer.node.count_publishers(MASK) == 0)
        assert change_state(peer, Transition.TRANSITION_CONFIGURE)
        assert change_state(peer, Transition.TRANSITION_ACTIVATE)
        peer.spin_until(lambda: publisher.get_subscription_count() == 1)
        publisher.publish(make_image(3))
        peer.spin_until(lambda: len(masks) == 3)
        assert change_state(peer, Transition.TRANSITION_ACTIVE_SHUTDOWN)
        assert get_state(peer) == State.PRIMARY_STATE_FINALIZED


def test_deactivation_leaves_a_hanging_frame_behind(peer: Any, engine: FaultyEngine) -> None:
    with node_in_process() as node:
        masks = peer.subscribe(Image, MASK)
        publisher = peer.publisher(Image, '/image')
        publisher.publish(make_image(14))
        peer.spin_until(lambda: node._camera.busy_s > 0.0)
        publisher.publish(make_image(15))
        peer.spin_until(lambda: count(node).received == 2)
        assert change_state(peer, Transition.TRANSITION_DEACTIVATE)
        assert count(node).dropped == {'deactivated': 1}
        assert not change_state(peer, Transition.TRANSITION_ACTIVATE)
        engine.released.set()
        peer.spin_until(lambda: count(node).in_flight == 0)
        assert count(node).dropped == {'deactivated': 2}
        assert change_state(peer, Transition.TRANSITION_ACTIVATE)
        peer.spin_until(lambda: publisher.get_subscription_count() == 1)
        publisher.publish(make_image(16))
        peer.spin_until(lambda: masks)
        assert masks[0].header.stamp.sec == 1016


def test_autostart_can_be_left_to_a_manager(peer: Any) -> None:
    with node_in_process(autostart=False):
        assert get_state(peer) == State.PRIMARY_STATE_UNCONFIGURED
        assert change_state(peer, Transition.TRANSITION_CONFIGURE)
        assert get_state(peer) == State.PRIMARY_STATE_INACTIVE


def test_failed_configure_can_be_mended(peer: Any) -> None:
    with node_in_process(autostart=False, engine='warp') as node:
        assert not change_state(peer, Transition.TRANSITION_CONFIGURE)
        assert get_state(peer) == State.PRIMARY_STATE_UNCONFIGURED
        assert node.set_parameters([Parameter('engine', value='null')])[0].successful
        assert change_state(peer, Transition.TRANSITION_CONFIGURE)


def test_parameters_are_checked_when_set() -> None:
    with node_in_process(autostart=False) as node:
        for name, value, text in (
            ('image_transport', 'zip', 'raw, compressed'),
            ('short_side', -1, '8192'),
            ('overlay_alpha', 1.5, '1.0'),
        ):
            result = node.set_parameters([Parameter(name, value=value)])[0]
            assert not result.successful
            assert name in result.reason
            assert text in result.reason
        node.trigger_configure()
        result = node.set_parameters([Parameter('overlay_alpha', value=0.7)])[0]
        assert not result.successful
        assert 'clean the node up first' in result.reason


def test_parameters_are_described() -> None:
    with node_in_process(autostart=False) as node:
        for name in parameters.NodeConfig.__dataclass_fields__:
            descriptor = node.describe_parameter(name)
            assert descriptor.description
            assert descriptor.additional_constraints
        assert node.describe_parameter('short_side').integer_range[0].to_value == 8192
        assert node.describe_parameter('overlay_alpha').floating_point_range[0].to_value == 1.0
        assert parameters.read(node) == parameters.NodeConfig(
            engine='null', diagnostics_period_s=0.1, autostart=False
        )


def test_overlay_is_painted_only_for_subscribers(
    peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[Any] = []

    def paint(*arguments: Any) -> Any:
        painted.append(arguments)
        return overlay(*arguments)

    monkeypatch.setattr(camera, 'overlay', paint)
    with node_in_process():
        masks = peer.subscribe(Image, MASK)
        publisher = peer.publisher(Image, '/image')
        publisher.publish(make_image(100))
        peer.spin_until(lambda: len(masks) == 1)
        assert not painted
        overlays = peer.subscribe(Image, OVERLAY)
        confidences = peer.subscribe(Image, '/depthforge/segmentation/confidence')
        entropies = peer.subscribe(Image, '/depthforge/segmentation/entropy')
        publisher.publish(make_image(200))
        peer.spin_until(lambda: overlays and confidences and entropies)
    assert len(painted) == 1
    assert identity(overlays[0]) == identity(make_image(200))
    mask = np.frombuffer(masks[1].data, np.uint8).reshape(48, 64)
    rgb = np.frombuffer(overlays[0].data, np.uint8).reshape(48, 64, 3)
    expected = 0.5 * 200 + 0.5 * CAMVID.palette[mask]
    assert np.abs(rgb - expected).max() <= 0.5
    assert (confidences[0].encoding, entropies[0].encoding) == ('mono8', '32FC1')
    assert min(confidences[0].data) < 5
    assert max(confidences[0].data) > 250
    assert 0.95 < np.frombuffer(entropies[0].data, np.float32).max() <= 1.0


def test_compressed_images_are_answered(peer: Any) -> None:
    with node_in_process(image_transport='compressed') as node:
        masks = peer.subscribe(Image, MASK)
        publisher = peer.publisher(CompressedImage, '/image')
        message = CompressedImage(header=make_image(7).header, format='jpeg')
        message.data = b'no picture'
        publisher.publish(message)
        peer.spin_until(lambda: count(node).dropped == {'bad_compressed': 1})
        message.data = cv2.imencode('.jpg', np.zeros((30, 40, 3), np.uint8))[1].tobytes()
        publisher.publish(message)
        peer.spin_until(lambda: masks)
    assert identity(masks[0]) == identity(make_image(7))
    assert (masks[0].height, masks[0].width) == (30, 40)
