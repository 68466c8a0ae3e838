# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""No request over DDS ends the node, whatever it asks."""

from __future__ import annotations

from functools import partial
import signal
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from support.node import change_state, get_state, latest, make_image, MASK, node_in_process

UNKNOWN = 77


def is_told(reports: list[Any], text: str) -> bool:
    return bool(latest(reports).get('last_error', '').startswith(text))


def test_a_transition_that_does_not_fit_is_refused(peer: Any, start_node: Any) -> None:
    given = ('-p', 'engine:=null', '-p', 'autostart:=false', '-p', 'diagnostics_period_s:=0.1')
    with start_node(*given) as process:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics')
        for fitting, others, remedy in (
            (
                None,
                (Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_CLEANUP, UNKNOWN, 'fly'),
                'the node is unconfigured; give configure, shutdown',
            ),
            (
                Transition.TRANSITION_CONFIGURE,
                (Transition.TRANSITION_CONFIGURE,),
                'the node is inactive; give cleanup, activate, shutdown',
            ),
            (
                Transition.TRANSITION_ACTIVATE,
                (
                    Transition.TRANSITION_CONFIGURE,
                    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
                    'activate',
                ),
                'the node is active; give deactivate, shutdown',
            ),
            (
                Transition.TRANSITION_DEACTIVATE,
                (Transition.TRANSITION_DEACTIVATE,),
                'the node is inactive; give cleanup, activate, shutdown',
            ),
            (
                Transition.TRANSITION_INACTIVE_SHUTDOWN,
                (Transition.TRANSITION_CONFIGURE,),
                'the node is finalized; give none, and restart it',
            ),
        ):
            assert fitting is None or change_state(peer, fitting)
            before = get_state(peer)
            for other in others:
                assert not change_state(peer, other)
                assert get_state(peer) == before
                told = f'lifecycle transition {other} was refused: {remedy}'
                peer.spin_until(partial(is_told, reports, told))
        code, errors = process.end(signal.SIGTERM)
    assert code == 0, errors
    assert 'lifecycle transition 77 was refused' in errors


def test_an_error_in_a_callback_of_a_service_is_told(
    peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with node_in_process() as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        masks = peer.subscribe(Image, MASK, seen_by=node)

        def fail(_: Any) -> None:
            raise RuntimeError('bad\nluck')

        monkeypatch.setattr(node._rig, 'reconfigure', fail)
        client = peer.node.create_client(SetParameters, '/depthforge/set_parameters')
        peer.spin_until(client.service_is_ready)
        alpha = Parameter('overlay_alpha', value=0.25).to_parameter_msg()
        future = client.call_async(SetParameters.Request(parameters=[alpha]))
        peer.spin_until(future.done)
        told = 'service SetParameters failed: RuntimeError: bad luck'
        peer.spin_until(lambda: latest(reports).get('last_error', '') == told)
        assert get_state(peer) == State.PRIMARY_STATE_ACTIVE
        peer.publisher(Image, '/image', seen_by=node).publish(make_image(1))
        peer.spin_until(lambda: masks)
