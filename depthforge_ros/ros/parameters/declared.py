# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The parameters on a node: declared with their start values, and read back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.ros.node_protocol import ParameterNode
from depthforge_ros.ros.parameters.definitions import (
    check,
    default,
    descriptor,
    from_ros,
    is_node_parameter,
    is_runtime,
    NodeConfig,
    PER_CAMERA,
)
from rcl_interfaces.srv import ListParameters
from rclpy.parameter import Parameter

NAMES = tuple(one.name for one in fields(NodeConfig))
UNSET_IN_FILE = 'null'
"""How `ros2 param dump` writes an unset parameter, and ROS reads that back."""


def declare(node: ParameterNode) -> None:
    """Declare all parameters on a node; a start value that is not allowed raises UserError."""
    for name in NAMES:
        _declare(node, name, default(name))


def declare_per_camera(node: ParameterNode, cameras: tuple[str, ...]) -> None:
    """Declare the parameters of these cameras alone, unset, and undeclare those of others."""
    per_camera = _per_camera(cameras)
    for name in node.list_parameters([], ListParameters.Request.DEPTH_RECURSIVE).names:
        if '.' in name and is_node_parameter(name) and name not in per_camera:
            node.undeclare_parameter(name)
    for name in per_camera:
        if not node.has_parameter(name):
            _declare(node, name, None)


def check_per_camera(node: ParameterNode, cameras: tuple[str, ...]) -> None:
    """Raise UserError where `declare_per_camera` would, for a start value that is not allowed."""
    for name in _per_camera(cameras):
        check(name, _start_value(node, name))


def refusal(node: ParameterNode, wanted: Sequence[Parameter]) -> str:
    """Say what is wrong with a request to set parameters; empty where nothing is."""
    try:
        for parameter in wanted:
            check(parameter.name, parameter.value)
            if not node.has_parameter(parameter.name):
                return f'there is no parameter {parameter.name}; `ros2 param list` names all'
            if parameter.value is None:
                return f'parameter {parameter.name} cannot be unset; set a value'
    except UserError as error:
        return str(error)
    return ''


def change_refusal(
    node: ParameterNode, changed: Sequence[Parameter], *, is_configured: bool
) -> str:
    """Say which value is not allowed, or would not take effect; empty where all may be set."""
    try:
        for parameter in changed:
            check(parameter.name, parameter.value)
        check_per_camera(node, read(node, changed).cameras)
    except UserError as error:
        return str(error)
    for parameter in changed if is_configured else ():
        name = parameter.name
        is_fixed = is_node_parameter(name) and not is_runtime(name)
        if is_fixed and parameter.value != node.get_parameter(name).value:
            return f'parameter {name} is read at configure; deactivate and clean the node up first'
    return ''


def unused_overrides(node: ParameterNode) -> list[str]:
    """Return the names of start values that the node has no parameter for."""
    return [name for name in node._parameter_overrides if not node.has_parameter(name)]


def read(node: ParameterNode, changed: Iterable[Parameter] = ()) -> NodeConfig:
    """
    Return the values of the declared parameters, as they are or would be after a change.

    Raises UserError for values that do not go together.
    """
    values = {name: node.get_parameter(name).value for name in NAMES}
    values.update({one.name: one.value for one in changed if one.name in NAMES})
    return NodeConfig(**{name: from_ros(value) for name, value in values.items()})


def for_cameras(node: ParameterNode, config: NodeConfig) -> dict[str, NodeConfig]:
    """Return each camera's configuration, with its own values; `declare_per_camera` before."""
    return {name: replace(config, **_own_values(node, name)) for name in config.cameras}


def _own_values(node: ParameterNode, camera: str) -> dict[str, Any]:
    values = {key: node.get_parameter_or(f'{camera}.{key}').value for key in PER_CAMERA if camera}
    return {key: value for key, value in values.items() if value is not None}


def _per_camera(cameras: tuple[str, ...]) -> list[str]:
    return [f'{camera}.{key}' for camera in filter(None, cameras) for key in PER_CAMERA]


def _start_value(node: ParameterNode, name: str) -> Any:
    # rclpy tells it only by declaring, and the errors of that do not say what is allowed.
    override = node._parameter_overrides.get(name)
    value = None if override is None else override.value
    return None if '.' in name and value == UNSET_IN_FILE else value


def _declare(node: ParameterNode, name: str, default_value: Any) -> None:
    given = _start_value(node, name)
    check(name, given)
    described = descriptor(name)
    # rclpy reads no parameter at all where one of a fixed type is unset; `check` fixes it.
    described.dynamic_typing = default_value is None
    value = default_value if given is None else given
    node.declare_parameter(name, value, described, ignore_override=True)
