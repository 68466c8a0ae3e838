# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The node's parameters: names, defaults, ranges and descriptions, once."""

from __future__ import annotations

from dataclasses import dataclass, Field, field, fields
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.frame import MAX_PIXELS
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

TYPE_NAMES = {bool: 'true or false', int: 'an integer', float: 'a number such as 1.0', str: 'text'}

OUTPUTS = {
    'mask': '~/segmentation/mask',
    'overlay': '~/segmentation/overlay',
    'confidence': '~/segmentation/confidence',
    'entropy': '~/segmentation/entropy',
    'depth': '~/depth/relative',
}
"""Image topics that the node publishes."""
REPLAY_DEPTH = 100


def _parameter(
    default: Any,
    description: str,
    *,
    within: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Describe a parameter; `within` holds the smallest and the largest value."""
    return field(
        default=default,
        metadata={'description': description, 'within': within, 'choices': choices},
    )


@dataclass(frozen=True)
class NodeConfig:
    """What the node is told at configure; every field is a ROS parameter of the same name."""

    model: str = _parameter(
        'depthforge_tiny', 'Name of a model, see `depthforge models`, or path of a checkpoint.'
    )
    engine: str = _parameter('auto', 'What runs the model: auto, eager or null (no model).')
    device: str = _parameter('auto', 'Where the model runs: auto, cpu, cuda or cuda:N.')
    short_side: int = _parameter(
        0, "Short side of the network input, pixels; 0 takes the checkpoint's.", within=(0, 8192)
    )
    threads: int = _parameter(
        0, 'CPU threads of the engine; 0 leaves the choice to it.', within=(0, 1024)
    )
    image_transport: str = _parameter(
        'raw',
        'Type of the topic `image`: raw for sensor_msgs/Image, compressed for '
        'sensor_msgs/CompressedImage (JPEG, PNG).',
        choices=('raw', 'compressed'),
    )
    max_pixels: int = _parameter(
        MAX_PIXELS, 'Images with more pixels are dropped.', within=(1, 2**31 - 1)
    )
    overlay_alpha: float = _parameter(
        0.5, 'Weight of the class colours in the overlay.', within=(0.0, 1.0)
    )
    diagnostics_period_s: float = _parameter(
        1.0, 'Time between two messages on /diagnostics, seconds.', within=(0.05, 60.0)
    )
    stall_after_s: float = _parameter(
        2.0,
        'A frame in work, or a topic without images, for longer is reported, seconds.',
        within=(0.05, 3600.0),
    )
    autostart: bool = _parameter(
        True, 'Configure and activate at start; false leaves that to a lifecycle manager.'
    )

    def __post_init__(self) -> None:
        for one in fields(self):
            check(one.name, getattr(self, one.name))


_FIELDS = {one.name: one for one in fields(NodeConfig)}


def declare(node: Any) -> None:
    """Declare all parameters on a node; a start value that is not allowed raises UserError."""
    for name, one in _FIELDS.items():
        # Untyped first: the errors of a typed declaration do not say what is allowed.
        node.declare_parameter(name, one.default, ParameterDescriptor(dynamic_typing=True))
        given = node.get_parameter(name).value
        node.undeclare_parameter(name)
        check(name, given)
        node.declare_parameter(name, one.default, _descriptor(one))


def lossless(*, image_topic: str, node: str = '/depthforge') -> dict[str, str | int]:
    """
    Quality of service overrides under which a replay loses no frame on the way.

    Both names are resolved ones. On a vehicle the defaults are right: only the newest counts.
    """
    image = f'qos_overrides.{image_topic}.subscription'
    overrides: dict[str, str | int] = {
        f'{image}.reliability': 'reliable',
        f'{image}.depth': REPLAY_DEPTH,
    }
    for topic in OUTPUTS.values():
        resolved = topic.replace('~', node)
        overrides[f'qos_overrides.{resolved}.publisher.depth'] = REPLAY_DEPTH
    return overrides


def is_ours(name: str) -> bool:
    """Tell the node's own parameters from those of rclpy, such as `use_sim_time`."""
    return name in _FIELDS


def check(name: str, value: Any) -> None:
    """Raise UserError unless `value` is allowed for the parameter, or it is not ours."""
    if is_ours(name) and not _is_allowed(_FIELDS[name], value):
        raise UserError(_refusal(name, value))


def read(node: Any) -> NodeConfig:
    """Return the present values of the declared parameters."""
    return NodeConfig(**{name: node.get_parameter(name).value for name in _FIELDS})


def _refusal(name: str, given: Any) -> str:
    """Say in one line which parameter was refused, what was given and what is allowed."""
    return f'parameter {name}: {given!r} was given, allowed is {_allowed(_FIELDS[name])}'


def _is_allowed(one: Field[Any], value: Any) -> bool:
    if type(value) is not type(one.default):
        return False
    within, choices = one.metadata['within'], one.metadata['choices']
    if within is not None and not within[0] <= value <= within[1]:
        return False
    return not choices or value in choices


def _allowed(one: Field[Any]) -> str:
    within, choices = one.metadata['within'], one.metadata['choices']
    if choices:
        return f'one of {", ".join(choices)}'
    text = TYPE_NAMES[type(one.default)]
    return text if within is None else f'{text} from {within[0]} to {within[1]}'


def _descriptor(one: Field[Any]) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=one.metadata['description'], additional_constraints=_allowed(one)
    )
    if one.metadata['within'] is not None:
        low, high = one.metadata['within']
        if isinstance(one.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        else:
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
    return descriptor
