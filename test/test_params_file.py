# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A file of parameters, as launch files and as ROS itself read it."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.ros.params_file import parameters_in, without_effect
import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node

NAMESPACES = ('', '/fleet', '/fleet/car')


def by_ros(file: Path, namespace: str) -> dict[str, str]:
    context = Context()
    rclpy.init(args=['--ros-args', '--params-file', str(file)], context=context)
    node = Node(
        'depthforge',
        namespace=namespace,
        context=context,
        automatically_declare_parameters_from_overrides=True,
    )
    found = {key: node.get_parameter(key).value for key in 'ab' if node.has_parameter(key)}
    node.destroy_node()
    context.try_shutdown()
    return found


@pytest.mark.parametrize(
    'text',
    [
        'depthforge: {ros__parameters: {a: x}}',
        'fleet: {depthforge: {ros__parameters: {a: x}}}',
        'fleet/depthforge: {ros__parameters: {a: x}}',
        '/fleet: {"*": {ros__parameters: {a: x}}}',
        '/**: {depthforge: {ros__parameters: {a: x}}}',
        '/*: {ros__parameters: {a: x}}',
        '/*/depthforge: {ros__parameters: {a: x}}',
        '/*/*: {ros__parameters: {a: x}}',
        '/fleet/*: {ros__parameters: {a: x}}',
        '/fleet/**: {ros__parameters: {a: x}}',
        '/**/*: {ros__parameters: {a: x}}',
        '/**/depthforge: {ros__parameters: {a: x}}\n/**: {ros__parameters: {b: z}}',
        '/fleet/depthforge: {ros__parameters: {a: x}}\n/**: {ros__parameters: {a: z}}',
        '/**: {ros__parameters: {a: z}}\n/fleet/depthforge: {ros__parameters: {a: x}}',
        '/fleet/depthforge: {ros__parameters: {a: x}}\n/car/depthforge: {ros__parameters: {a: z}}',
        '/**/depthforge: {ros__parameters: {a: x}}\n/my_depthforge: {ros__parameters: {a: z}}',
    ],
)
def test_a_file_gives_a_node_what_ros_gives_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / 'mine.yaml'
    file.write_text(text)
    for namespace in NAMESPACES:
        assert parameters_in(str(file), f'{namespace}/depthforge') == by_ros(file, namespace)


def test_a_file_for_another_node_is_told(tmp_path: Path) -> None:
    other, mine, cut = (tmp_path / f'{name}.yaml' for name in ('other', 'mine', 'cut'))
    other.write_text('/other: {ros__parameters: {a: x}}\nfleet: {a: {ros__parameters: {a: x}}}')
    mine.write_text('/*: {ros__parameters: {a: x}}')
    cut.write_text('{')
    arguments = [word for file in (other, mine, cut) for word in ('--params-file', str(file))]
    told = list(without_effect(['--ros-args', *arguments], '/depthforge'))
    assert len(told) == 2
    assert f'{other} has nothing for this node, it is for /other, /fleet/a; name its' in told[0]
    assert f'{cut} is no YAML' in told[1]
