# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Launch files inside what a user put around them, and beside earlier recordings."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.errors import UserError
import pytest
from support.launch_files import load
from support.paths import ROOT

MASK = '/depthforge/segmentation/mask'


@pytest.mark.parametrize(('value', 'expected'), [('true', True), ('false', False), ('', None)])
def test_sim_time_is_set_only_where_it_was_given(value: str, expected: bool | None) -> None:
    _, start = load('depthforge.launch.py')
    node, rviz = start(use_sim_time=value, rviz='true')
    assert rviz.named['parameters'] == ([] if expected is None else [{'use_sim_time': expected}])
    assert node.named['parameters'][1].get('use_sim_time') is expected


@pytest.mark.parametrize(
    ('namespace', 'name'), [('', 'veh1'), ('front', 'veh1/front'), ('/front', 'front')]
)
def test_pushed_namespace_counts(namespace: str, name: str) -> None:
    _, start = load('depthforge.launch.py')
    node, rviz = start(ros_namespace='/veh1', namespace=namespace, rviz='true')
    assert (MASK, f'/{name}{MASK}') in rviz.named['remappings']
    logger = f'{name}/depthforge'.replace('/', '.')
    assert node.named['arguments'][-1] == f'{logger}:=info'


def test_replay_keeps_an_earlier_recording(tmp_path: Path) -> None:
    _, start = load('replay.launch.py')
    with pytest.raises(UserError, match='exists already'):
        start(bag='in', output=str(tmp_path))


def test_package_depends_on_the_commands_that_launch_files_call() -> None:
    package = (ROOT / 'package.xml').read_text()
    for verb in ('bag', 'launch', 'lifecycle', 'run'):
        assert f'<exec_depend>ros2{verb}</exec_depend>' in package
