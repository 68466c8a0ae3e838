# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Keeps exceptions in services, of parameters and the lifecycle too, from ending the node."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from depthforge_ros.errors import one_line
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode


def guard(node: LifecycleNode, *, report: Callable[[str], None]) -> None:
    """
    Answer a request whose callback raises with the response as far as it is filled in.

    For a lifecycle transition or a parameter that means no. `report` gets the reason in one line.
    Without this, rclpy raises out of `spin`. A transition that the state does not have is refused.
    """
    for service in node.services:
        service.callback = partial(_answer, service.callback, node, report)


def _answer(
    callback: Callable[[Any, Any], Any],
    node: LifecycleNode,
    report: Callable[[str], None],
    request: Any,
    response: Any,
) -> Any:
    if isinstance(request, ChangeState.Request) and (
        refusal := _refusal(node, request.transition)
    ):
        report(refusal)
        response.success = False
        return response
    try:
        return callback(request, response)
    except Exception as error:
        if not node.context.ok():  # it was interrupted
            raise
        service = type(request).__name__.removesuffix('_Request')
        report(f'service {service} failed: {one_line(error)}')
        return response


def _refusal(node: LifecycleNode, wanted: Transition) -> str:
    """Say why a transition does not fit the node's state; empty where it does."""
    # rclpy raises for some of them, and is silent for others; neither names the state.
    machine = node._state_machine
    fitting = {transition[0]: transition[1] for transition in machine.available_transitions}
    if wanted.label in fitting.values() if wanted.label else wanted.id in fitting:
        return ''
    return (
        f'lifecycle transition {wanted.label or wanted.id} was refused: the node is '
        f'{machine.current_state[1]}; give {", ".join(fitting.values()) or "none, and restart it"}'
    )
