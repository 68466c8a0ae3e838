# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The launch files by ROS's own launch system, where it is installed."""

from __future__ import annotations

import runpy
import signal
import subprocess
import sys
from typing import Any

import pytest
from support.paths import ROOT

FOLDER = ROOT / 'launch'
REASON = 'launch comes with a ROS installation, which is not sourced'
# Without it `launch` is the folder above.
launch = pytest.importorskip('launch.actions', reason=REASON)
launch_ros = pytest.importorskip('launch_ros.actions', reason=REASON)

GIVEN = {'bag': 'in', 'output': 'out', 'rviz': 'true', 'engine': 'null'}
ACTIONS = {'depthforge': 2, 'six_cameras': 2, 'replay': 7}
GIVEN_NODE = ('namespace:=car', 'engine:=null', 'log_level:=warn')
RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

path, *given = sys.argv[1:]
source = PythonLaunchDescriptionSource(path)
arguments = [tuple(one.split(':=')) for one in given]
service = LaunchService()
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)])
)
sys.exit(service.run())
"""


def entities(name: str, **given: str) -> list[Any]:
    """Visit a launch file's description as a launch service does, without starting anything."""
    from launch import LaunchContext

    path = FOLDER / f'{name}.launch.py'
    description = runpy.run_path(str(path))['generate_launch_description']()
    context = LaunchContext()
    context.launch_configurations.update(given)
    visited = [one.visit(context) for one in description.entities]
    return [one for actions in visited for one in actions or ()]


@pytest.mark.parametrize('name', list(ACTIONS))
def test_arguments_and_actions_are_accepted(name: str) -> None:
    actions = entities(name, **GIVEN)
    assert len(actions) == ACTIONS[name]
    assert isinstance(actions[0], launch_ros.Node)


@pytest.mark.parametrize('name', ['depthforge', 'six_cameras'])
def test_building_is_one_process(name: str) -> None:
    (build,) = entities(name, build_only='true')
    assert isinstance(build, launch.ExecuteProcess)


@pytest.mark.parametrize('name', list(ACTIONS))
def test_values_that_are_no_choice_are_refused(name: str) -> None:
    with pytest.raises(RuntimeError, match='warp'):
        entities(name, **{**GIVEN, 'engine': 'warp'})


def test_a_refusal_is_one_line() -> None:
    file = FOLDER / 'depthforge.launch.py'
    command = [sys.executable, '-c', RUN, str(file), 'build_only:=true', 'build_size:=512x']
    done = subprocess.run(command, capture_output=True, text=True, timeout=60.0)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert said.count("build_size '512x' was given") == 1
    assert 'Traceback' not in said


@pytest.mark.parametrize(
    ('name', 'mask'),
    [
        ('depthforge', '/car/depthforge/segmentation/mask'),
        ('six_cameras', '/car/depthforge/rear/segmentation/mask'),
    ],
)
def test_the_node_comes_up(peer: Any, name: str, mask: str) -> None:
    packages = pytest.importorskip('ament_index_python.packages')
    try:
        packages.get_package_prefix('depthforge_ros')
    except (KeyError, OSError):
        pytest.skip('this package is not installed in a sourced workspace')
    command = [sys.executable, '-c', RUN, str(FOLDER / f'{name}.launch.py'), *GIVEN_NODE]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            peer.spin_until(lambda: peer.node.count_publishers(mask) or process.poll())
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60.0)
        finally:
            process.kill()
    assert 'process has finished cleanly' in said, said
