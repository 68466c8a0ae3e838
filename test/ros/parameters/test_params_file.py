# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A file of parameters, as launch files and as ROS itself read it."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.ros.parameters.file import parameters_in, unused_files
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


def told_of(file: Path, text: str) -> list[str]:
    file.write_text(text)
    return list(unused_files(['--ros-args', '--params-file', str(file)], '/depthforge'))


def test_a_file_for_another_node_is_told(tmp_path: Path) -> None:
    file = tmp_path / 'mine.yaml'
    other = '/other: {ros__parameters: {a: x}}\nfleet: {a: {ros__parameters: {a: x}}}'
    (text,) = told_of(file, other)
    assert f'{file} has nothing for this node, it is for /other, /fleet/a; name its' in text


@pytest.mark.parametrize(
    'text',
    [
        '/*: {ros__parameters: {a: x}}',
        '/**: {ros__parameters: {a: x}}\n/other: {ros__parameters: {a: 2026-02-30}}',
        'depthforge: {ros__parameters: {a: x}}\ndepthforge: {other: {ros__parameters: {b: x}}}',
        'depthforge: {ros__parameters: {a: !foo x}}',
        '---\ndepthforge: {ros__parameters: {a: x}}\n---\n/other: {ros__parameters: {a: x}}',
    ],
)
def test_a_file_that_has_something_for_the_node_is_not_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / 'mine.yaml'
    assert told_of(file, text) == []
    assert by_ros(file, '') == {'a': 'x'}
