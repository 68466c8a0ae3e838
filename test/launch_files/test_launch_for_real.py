# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The launch files by ROS's own launch system, where it is installed."""

from __future__ import annotations

import json
from pathlib import Path
import runpy
import signal
import subprocess
import sys
from typing import Any

import pytest
from support.bags import write_bag
from support.judging import judge
from support.paths import ROOT
from support.ros_workspace import SHOW_NODE, workspace, write_program

FOLDER = ROOT / 'launch'
REASON = 'launch comes with a ROS installation, which is not sourced'
# Without it `launch` is the folder above.
launch = pytest.importorskip('launch.actions', reason=REASON)
launch_ros = pytest.importorskip('launch_ros.actions', reason=REASON)

ACTIONS = {'depthforge': 3, 'six_cameras': 3, 'nav2': 4, 'replay': 11}
GIVEN_NODE = ('namespace:=car', 'engine:=null', 'log_level:=warn')
RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace, SetParameter, SetRemap, SetUseSimTime

path, around, *given = sys.argv[1:]
source = PythonLaunchDescriptionSource(path)
arguments = [tuple(one.split(':=')) for one in given]
include = IncludeLaunchDescription(source, launch_arguments=arguments)
service = LaunchService()
service.include_launch_description(
    LaunchDescription([GroupAction([*eval(around), include])])
)
sys.exit(service.run())
"""


def command(name: str, *given: str, around: str = '[]') -> list[str]:
    """Return what launches a file inside a group, after the actions `around` it."""
    return [sys.executable, '-c', RUN, str(FOLDER / f'{name}.launch.py'), around, *given]


def launched(
    environment: dict[str, str], name: str, *given: str, around: str = '[]'
) -> tuple[int, str]:
    """Launch a file to its end, and return the exit code and what was printed."""
    done = subprocess.run(
        command(name, *given, around=around),
        env=environment,
        capture_output=True,
        text=True,
        timeout=200.0,
    )
    said = done.stdout + done.stderr
    assert 'Traceback' not in said, said
    return done.returncode, said


def started_node(said: str, process: str = '') -> tuple[list[str], dict[str, Any]]:
    """Return arguments and parameters with which a launch has started SHOW_NODE as a process."""
    line = next(line for line in said.splitlines() if 'NODE ' in line and process in line)
    arguments, values = json.loads(line.partition('NODE ')[2])
    return arguments, values


@pytest.mark.parametrize('name', list(ACTIONS))
def test_arguments_and_actions_are_accepted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = workspace(tmp_path / 'workspace', packages=['rviz2'])
    monkeypatch.setenv('AMENT_PREFIX_PATH', environment['AMENT_PREFIX_PATH'])
    bag = write_bag(tmp_path / 'bag', frames=1)
    path = FOLDER / f'{name}.launch.py'
    description = runpy.run_path(str(path))['generate_launch_description']()
    context = __import__('launch').LaunchContext()
    context.launch_configurations.update(
        {'bag': str(bag), 'output': 'out', 'rviz': 'true', 'engine': 'null'}
    )
    if name == 'replay':
        context.launch_configurations['image_topic'] = '/camera/image'
    visited = [one.visit(context) for one in description.entities]
    actions = [one for some in visited for one in some or ()]
    assert len(actions) == ACTIONS[name]
    assert isinstance(actions[0], launch_ros.Node)


@pytest.mark.parametrize(
    ('name', 'given', 'expected'),
    [
        ('depthforge', ['engine:=warp'], '[launch]: Caught exception in launch (see debug'),
        ('depthforge', ['build_only:=true', 'build_size:=512x'], "build_size '512x' was given"),
        ('depthforge', ['rviz:=true'], 'rviz2 is not installed'),
        ('six_cameras', ['rviz:=true'], 'rviz2 is not installed'),
        ('replay', ['bag:=/nosuch', 'output:=out'], 'bag /nosuch does not exist'),
        ('replay', ['bag:=BAG', 'output:=out'], 'image_topic:= one of /camera/image'),
        ('replay', ['bag:=BAG', 'output:=BAG'], 'exists already'),
    ],
)
def test_refusals_start_nothing(
    name: str, given: list[str], expected: str, tmp_path: Path
) -> None:
    environment = workspace(tmp_path / 'workspace', node=SHOW_NODE)
    bag = write_bag(tmp_path / 'bag', frames=1)
    code, said = launched(environment, name, *(one.replace('BAG', str(bag)) for one in given))
    assert code == 1, said
    assert said.count(expected) == 1, said
    assert 'process started' not in said


@pytest.mark.parametrize('name', ['depthforge', 'six_cameras'])
@pytest.mark.parametrize('build_only', ['true', 'false'])
def test_a_model_that_is_not_there_fails_the_launch(
    name: str, build_only: str, tmp_path: Path
) -> None:
    code, said = launched(workspace(tmp_path), name, 'model:=nosuch', f'build_only:={build_only}')
    assert said.count("model 'nosuch' is not known") == 1
    assert code == 1, said


def test_what_a_user_put_around_counts(tmp_path: Path) -> None:
    environment = workspace(tmp_path / 'workspace', node=SHOW_NODE)
    file = tmp_path / 'mine.yaml'
    file.write_text(
        '/veh1/depthforge: {ros__parameters: {image_transport: compressed, cameras: [left]}}\n'
        '/veh2/*: {ros__parameters: {cameras: [wrong]}}\n'
        '/veh1/*: {ros__parameters: {stall_after_s: 2.0}}\n'
    )
    around = (
        '[PushRosNamespace("veh1"), SetUseSimTime(True), SetRemap("left/image", "/other"), '
        'SetParameter("use_sim_time", True)]'
    )
    code, said = launched(environment, 'six_cameras', f'params_file:={file}', around=around)
    assert code == 0, said
    arguments, values = started_node(said)
    assert '__ns:=/veh1' in arguments
    assert 'veh1.depthforge:=info' in arguments
    # The first rule that fits counts.
    remaps = [one for one in arguments if one.startswith('left/image')]
    assert remaps == ['left/image:=/other', 'left/image:=/left/image_raw/compressed']
    assert 'use_sim_time:=True' in arguments
    assert 'use_sim_time' not in values
    assert list(values['cameras']) == ['left']


def test_nav2_s_manager_is_told_of_the_node(tmp_path: Path) -> None:
    folder = tmp_path / 'workspace'
    environment = workspace(folder, node=SHOW_NODE, packages=['nav2_lifecycle_manager'])
    write_program(folder / 'lib' / 'nav2_lifecycle_manager' / 'lifecycle_manager', SHOW_NODE)
    code, said = launched(environment, 'nav2', 'namespace:=car')
    assert code == 0, said
    arguments, values = started_node(said, '[lifecycle_manager')
    assert '__ns:=/car' in arguments
    assert (list(values['node_names']), values['bond_timeout']) == (['depthforge'], 0.0)
    arguments, values = started_node(said, '[depthforge')
    assert '__ns:=/car' in arguments
    assert '__node:=depthforge' in arguments
    assert (values['autostart'], values['pixel_aligned']) == (False, True)


def test_the_node_comes_up_and_ends_in_order(peer: Any, tmp_path: Path) -> None:
    mask = '/car/depthforge/segmentation/mask'
    with subprocess.Popen(
        command('depthforge', *GIVEN_NODE),
        env=workspace(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            peer.spin_until(lambda: peer.node.count_publishers(mask) or process.poll())
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60.0)
        finally:
            process.kill()
    assert 'process has finished cleanly' in said, said
    assert process.returncode == 0, said


def test_a_replay_can_be_judged(tmp_path: Path) -> None:
    bag, output = tmp_path / 'bag', tmp_path / 'out'
    write_bag(bag, frames=6)
    given = ('image_topic:=/camera/image', 'engine:=null', 'namespace:=car')
    code, said = launched(
        workspace(tmp_path / 'workspace'), 'replay', f'bag:={bag}', f'output:={output}', *given
    )
    assert code == 0, said
    judged = judge(tmp_path, output, '--truth', str(bag), '--truth-labels', 'cityscapes')
    assert (judged['received'], judged['published']) == (6, 6)
    assert judged['miou'] is not None
