# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A node's services, those of parameters and of the lifecycle too: none of them ends the node."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from depthforge_ros.errors import one_line
from lifecycle_msgs.srv import ChangeState


def guard(node: Any, *, note: Callable[[str], None]) -> None:
    """
    Answer requests that a callback raises on: with the response as far as it is filled in.

    For a lifecycle transition or a parameter that says no. `note` is told why, in one line.
    rclpy raises out of `spin` instead, even for a transition that the present state lacks.
    """
    for service in node.services:
        service.callback = partial(_answer, service.callback, node.context, note)


def _answer(
    callback: Callable[[Any, Any], Any],
    context: Any,
    note: Callable[[str], None],
    request: Any,
    response: Any,
) -> Any:
    try:
        return callback(request, response)
    except Exception as error:
        if not context.ok():  # it was interrupted
            raise
        note(f'{_what(request)}: {_reason(error)}')
        return response


def _what(request: Any) -> str:
    if isinstance(request, ChangeState.Request):
        wanted = request.transition
        return f'lifecycle transition {wanted.label or wanted.id} was refused'
    return f'service {type(request).__name__.removesuffix("_Request")} failed'


def _reason(error: Exception) -> str:
    # What follows is the place in the C code of rcl.
    return one_line(error).split(', at /')[0]
