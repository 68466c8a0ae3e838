# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Transitions and parameters of the node over real DDS."""

from __future__ import annotations

import gc
from pathlib import Path
import signal
import threading
from typing import Any
import weakref

from depthforge_ros.ros import node as node_module
from depthforge_ros.ros.parameters import declared, definitions
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State, Transition
import numpy as np
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
import support.node
from support.node import (
    change_state,
    count,
    FaultyEngine,
    get_state,
    latest,
    make_image,
    MASK,
    node_in_process,
)

TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE,
    'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE,
    'cleanup': Transition.TRANSITION_CLEANUP,
}


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
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        assert change_state(peer, Transition.TRANSITION_ACTIVE_SHUTDOWN)
        assert get_state(peer) == State.PRIMARY_STATE_FINALIZED
        assert told(peer, reports, 'finalized') == DiagnosticStatus.STALE


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
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        assert told(peer, reports, 'has been in work for') == DiagnosticStatus.ERROR
        assert not change_state(peer, Transition.TRANSITION_ACTIVATE)
        engine.released.set()
        peer.spin_until(lambda: count(node).in_flight == 0)
        assert count(node).dropped == {'deactivated': 2}
        assert told(peer, reports, 'not active') == DiagnosticStatus.OK
        assert change_state(peer, Transition.TRANSITION_ACTIVATE)
        peer.spin_until(lambda: publisher.get_subscription_count() == 1)
        publisher.publish(make_image(16))
        peer.spin_until(lambda: masks)
        assert masks[0].header.stamp.sec == 1016


def test_deactivation_waits_for_a_slow_frame(
    peer: Any, engine: FaultyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(node_module, 'load_engine', lambda *_, **__: engine)
    with node_in_process() as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(14))
        peer.spin_until(lambda: node._rig.busy_s > 0.0)
        threading.Timer(2.0, engine.released.set).start()
        assert change_state(peer, Transition.TRANSITION_DEACTIVATE)
        peer.spin_until(lambda: masks)
        assert count(node).dropped == {}
        assert change_state(peer, Transition.TRANSITION_ACTIVATE)


NODE_THAT_HANGS = """
from depthforge_ros.engine.null import NullEngine
from depthforge_ros.ros import executable, rig
import torch

def hang(self, images, answer=NullEngine.__call__):
    while images.any():
        torch.ones(64, 64) @ torch.ones(64, 64)
    return answer(self, images)

NullEngine.__call__ = hang
rig.CLOSE_TIMEOUT_S = 0.2
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


def told(peer: Any, reports: list[Any], words: str) -> bytes:
    """Wait until the diagnostics say so, and return their level."""
    peer.spin_until(lambda: reports and words in reports[-1].status[0].message)
    return bytes(reports[-1].status[0].level)


def test_failed_configure_is_told_and_can_be_mended(peer: Any) -> None:
    with node_in_process(autostart=False, model='warp') as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        assert told(peer, reports, 'not configured') == DiagnosticStatus.OK
        assert not change_state(peer, Transition.TRANSITION_CONFIGURE)
        assert get_state(peer) == State.PRIMARY_STATE_UNCONFIGURED
        assert told(peer, reports, "model 'warp' is not known") == DiagnosticStatus.ERROR
        assert latest(reports)['last_error'].startswith("configure failed: model 'warp' is not")
        assert node.set_parameters([Parameter('model', value='depthforge_tiny')])[0].successful
        assert change_state(peer, Transition.TRANSITION_CONFIGURE)
        assert told(peer, reports, 'not active') == DiagnosticStatus.OK
        assert change_state(peer, Transition.TRANSITION_CLEANUP)
        assert told(peer, reports, 'not configured') == DiagnosticStatus.OK
        assert latest(reports)['last_error'] == ''


@pytest.mark.parametrize('transition', list(TRANSITIONS))
def test_an_unforeseen_error_is_processed_and_told(
    peer: Any, monkeypatch: pytest.MonkeyPatch, transition: str
) -> None:
    passed: list[str] = []

    class Breaking(node_module.DepthforgeNode):  # type: ignore[misc]
        def on_error(self, state: Any) -> Any:
            passed.append(self._state_machine.current_state[1])
            return super().on_error(state)

    monkeypatch.setattr(support.node, 'DepthforgeNode', Breaking)
    with node_in_process(autostart=False) as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        steps = list(TRANSITIONS)
        for step in steps[: steps.index(transition)]:
            assert change_state(peer, TRANSITIONS[step])
        action = {'deactivate': '_stop', 'cleanup': '_free'}.get(transition, f'_{transition}')

        def fail() -> None:
            delattr(node, action)
            raise RuntimeError('bad\nluck')

        setattr(node, action, fail)
        assert not change_state(peer, TRANSITIONS[transition])
        assert passed == ['errorprocessing']
        assert get_state(peer) == State.PRIMARY_STATE_UNCONFIGURED
        assert told(peer, reports, 'RuntimeError: bad luck') == DiagnosticStatus.ERROR
        assert node._rig is None
        assert change_state(peer, Transition.TRANSITION_CONFIGURE)


@pytest.mark.parametrize(
    ('files', 'reason'),
    [
        ((), 'none is compiled for depthforge_tiny at short_side 224'),
        (('json', 'pt2'), 'does not describe'),
    ],
)
def test_a_refused_engine_is_told(
    peer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], reason: str
) -> None:
    monkeypatch.setenv('DEPTHFORGE_ENGINES', str(tmp_path))
    for suffix in files:
        (tmp_path / f'depthforge_tiny-openvino-x.{suffix}').write_text('{}')
    with node_in_process(engine='auto', device='cpu', threads=1, short_side=224) as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        peer.spin_until(lambda: reports)
    assert reason in latest(reports)['engine_reason']
    is_warned = 'stored engine is not used' in reports[0].status[0].message
    assert is_warned == bool(files)


def test_parameters_are_checked_when_set() -> None:
    with node_in_process(autostart=False) as node:
        refused = node.set_parameters([Parameter('short_side', value=-1)])[0]
        assert (refused.successful, '8192' in refused.reason) == (False, True)
        node.trigger_configure()
        result = node.set_parameters([Parameter('short_side', value=100)])[0]
        assert not result.successful
        assert 'clean the node up first' in result.reason
        # As `ros2 param load` asks for all that `ros2 param dump` told.
        same = {name: node.get_parameter(name).value for name in declared.NAMES}
        given = [Parameter(name, value=value) for name, value in same.items()]
        told = {one.name: node.set_parameters([one])[0].reason for one in given}
        told.pop('autostart')  # read-only
        assert not any(told.values()), told


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
        for name in definitions.NodeConfig.__dataclass_fields__:
            descriptor = node.describe_parameter(name)
            assert descriptor.description
            assert descriptor.additional_constraints
        assert node.describe_parameter('short_side').integer_range[0].to_value == 8192
        assert node.describe_parameter('autostart').read_only
        assert 'changes at once' in node.describe_parameter('max_rate_hz').additional_constraints
        assert node.describe_parameter('overlay_alpha').floating_point_range[0].to_value == 1.0
        assert declared.read(node) == definitions.NodeConfig(
            engine='null', diagnostics_period_s=0.1, autostart=False
        )
