# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Transitions and parameters of the node over real DDS."""

from __future__ import annotations

import gc
from pathlib import Path
import signal
import time
from typing import Any
import weakref

from depthforge_ros.ros import parameters
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from node_support import (
    change_state,
    count,
    FaultyEngine,
    get_state,
    latest,
    make_image,
    MASK,
    node_in_process,
)
import numpy as np
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image


def test_lifecycle_goes_down_and_up_again(peer: Any) -> None:
    with node_in_process() as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
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


def test_cleanup_frees_the_engine() -> None:
    with node_in_process() as node:
        engine = weakref.ref(node._rig._pipeline.engine)
        gc.disable()
        try:
            node.trigger_deactivate()
            node.trigger_cleanup()
            assert engine() is None
        finally:
            gc.enable()


def test_deactivation_leaves_a_hanging_frame_behind(peer: Any, engine: FaultyEngine) -> None:
    with node_in_process() as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(14))
        peer.spin_until(lambda: node._rig.busy_s > 0.0)
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


NODE_THAT_HANGS = """
from depthforge_ros.engine.null import NullEngine
from depthforge_ros.ros import executable, rig
import torch

def hang(self, images, answer=NullEngine.__call__):
    while images.any():
        torch.ones(64, 64) @ torch.ones(64, 64)
    return answer(self, images)

NullEngine.__call__ = hang
rig.DRAIN_TIMEOUT_S = 0.2
executable.main()
"""


def test_executable_ends_well_while_a_frame_hangs(peer: Any, start_node: Any) -> None:
    with start_node('-p', 'engine:=null', program=('-c', NODE_THAT_HANGS)) as process:
        publisher = peer.publisher(Image, '/image')
        reports = peer.subscribe(DiagnosticArray, '/diagnostics')

        def is_hanging() -> bool:
            publisher.publish(make_image(1))
            peer.spin_for(0.2)
            return latest(reports).get('in_flight') in ('1', '2')

        peer.spin_until(is_hanging)
        code, errors = process.end(signal.SIGTERM)
    assert code == 0, errors
    assert 'left behind' in errors


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


@pytest.mark.parametrize(
    ('files', 'reason'), [((), 'none is compiled'), (('json', 'pt2'), 'does not describe')]
)
def test_a_refused_engine_is_told(
    peer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], reason: str
) -> None:
    monkeypatch.setenv('DEPTHFORGE_ENGINES', str(tmp_path))
    for suffix in files:
        (tmp_path / f'depthforge_tiny-openvino-x.{suffix}').write_text('{}')
    with node_in_process(engine='auto', device='cpu', threads=1) as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        peer.spin_until(lambda: reports)
    assert reason in latest(reports)['engine_reason']
    is_warned = 'stored engine is not used' in reports[0].status[0].message
    assert is_warned == bool(files)


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
        result = node.set_parameters([Parameter('short_side', value=100)])[0]
        assert not result.successful
        assert 'clean the node up first' in result.reason


def test_parameters_change_at_runtime_all_or_none(peer: Any) -> None:
    with node_in_process(confidence_floor=0.5) as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)

        def unlabelled_share(number: int) -> float:
            publisher.publish(make_image(number))
            peer.spin_until(lambda: masks and masks[-1].header.stamp.sec == 1000 + number)
            return float(np.mean(np.asarray(masks[-1].data) == 255))

        # The null engine's confidence grows from 0 above to 1 below.
        assert unlabelled_share(1) == pytest.approx(0.5, abs=0.05)
        floor = Parameter('confidence_floor', value=0.25)
        refused = [floor, Parameter('overlay_alpha', value=2.0)]
        assert not node.set_parameters_atomically(refused).successful
        assert unlabelled_share(2) == pytest.approx(0.5, abs=0.05)
        accepted = [floor, Parameter('overlay_alpha', value=0.25)]
        assert node.set_parameters_atomically(accepted).successful
        assert unlabelled_share(3) == pytest.approx(0.25, abs=0.05)
        assert node._config.overlay_alpha == 0.25


def test_parameters_are_described() -> None:
    with node_in_process(autostart=False) as node:
        for name in parameters.NodeConfig.__dataclass_fields__:
            descriptor = node.describe_parameter(name)
            assert descriptor.description
            assert descriptor.additional_constraints
        assert node.describe_parameter('short_side').integer_range[0].to_value == 8192
        assert node.describe_parameter('autostart').read_only
        assert 'changes at once' in node.describe_parameter('max_rate_hz').additional_constraints
        assert node.describe_parameter('overlay_alpha').floating_point_range[0].to_value == 1.0
        assert parameters.read(node) == parameters.NodeConfig(
            engine='null', diagnostics_period_s=0.1, autostart=False
        )


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('after_s', [0.3, 1.5, 6.0])
def test_signals_end_the_executable_well_at_any_moment(
    start_node: Any, number: int, after_s: float
) -> None:
    with start_node('-p', 'engine:=null') as process:
        time.sleep(after_s)
        code, errors = process.end(number)
    assert code == 0, errors
    assert 'Traceback' not in errors
