# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Launch files inside what a user put around them, and beside earlier recordings."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from depthforge_ros.errors import UserError
import pytest
from support.bags import recording, scene
from support.launch_files import FILES, load
from support.paths import ROOT

MASK = '/depthforge/segmentation/mask'


@pytest.mark.parametrize(('value', 'expected'), [('true', True), ('false', False), ('', None)])
def test_sim_time_is_set_only_where_it_was_given(value: str, expected: bool | None) -> None:
    _, start = load('depthforge.launch.py')
    node, rviz, _ = start(use_sim_time=value, rviz='true')
    assert rviz.named['parameters'] == ([] if expected is None else [{'use_sim_time': expected}])
    assert node.named['parameters'][1].get('use_sim_time') is expected


@pytest.mark.parametrize(
    ('namespace', 'name'), [('', 'veh1'), ('front', 'veh1/front'), ('/front', 'front')]
)
def test_pushed_namespace_counts(namespace: str, name: str) -> None:
    _, start = load('depthforge.launch.py')
    node, rviz, _ = start(ros_namespace='/veh1', namespace=namespace, rviz='true')
    assert (MASK, f'/{name}{MASK}') in rviz.named['remappings']
    logger = f'{name}/depthforge'.replace('/', '.')
    assert node.named['arguments'][-1] == f'{logger}:=info'


@pytest.mark.parametrize('source', ['~/segmentation/mask', MASK, 'depthforge/segmentation/mask'])
def test_set_remap_counts(source: str) -> None:
    remaps = [
        ('rviz2:image', '/x'),
        (source, '/mask'),
        ('image', '/other'),
        ('/diagnostics', '/d'),
    ]
    _, start = load('replay.launch.py')
    node, rviz, record, *_ = start(bag='in', output='out', rviz='true', ros_remaps=remaps)
    assert (MASK, '/mask') in rviz.named['remappings']
    recorded = set(record.named['cmd'])
    assert {'/mask', '/other', '/d', '/camera/camera_info'} < recorded
    assert not {MASK, '/diagnostics', '/camera/image_raw'} & recorded
    assert 'qos_overrides./other.subscription.reliability' in node.named['parameters'][1]


def bag_of(path: Path, topic: str, *, compressed: bool) -> str:
    with recording(path) as bag:
        write = bag.compressed if compressed else bag.image
        write(topic, 0, scene(0), '.jpg' if compressed else 'rgb8')
    return str(path)


def test_replay_refuses_bags_without_the_images(tmp_path: Path) -> None:
    _, start = load('replay.launch.py', reads_bag=True)
    raw = bag_of(tmp_path / 'raw', '/front', compressed=False)
    jpeg = bag_of(tmp_path / 'jpeg', '/front/compressed', compressed=True)

    def refusal(bag: str, topic: str, transport: str = '') -> str:
        with pytest.raises(UserError) as refused:
            start(bag=bag, output='out', image_topic=topic, image_transport=transport)
        return str(refused.value)

    assert 'bag /nosuch does not exist' in refusal('/nosuch', '/front')
    assert 'holds no images on /rear; give image_topic:= one of /front' in refusal(raw, '/rear')
    assert 'give image_transport:=raw' in refusal(raw, '/front', 'compressed')
    assert 'give image_transport:=compressed' in refusal(jpeg, '/front/compressed', 'raw')
    assert start(bag=raw, output='out', image_topic='/front')
    given = {'image_topic': '/front/compressed', 'image_transport': 'compressed'}
    assert start(bag=jpeg, output='out', **given)


@pytest.mark.parametrize('name', FILES)
def test_rviz_is_looked_for_first(name: str) -> None:
    _, start = load(name, packages=())
    with pytest.raises(UserError, match='rviz2 is not installed'):
        start(bag='in', output='out', rviz='true')
    assert start(bag='in', output='out')


@pytest.mark.parametrize(
    ('code', 'is_shutdown', 'fails'), [(0, False, 0), (2, False, 1), (2, True, 0)]
)
@pytest.mark.parametrize('build_only', ['true', 'false'])
def test_a_failed_process_is_a_failed_launch(
    code: int, is_shutdown: bool, fails: int, build_only: str
) -> None:
    _, start = load('depthforge.launch.py')
    process, handler = start(build_only=build_only, model='nosuch')
    on_exit = handler.positional[0].named
    assert on_exit['target_action'] is process
    told: list[dict[str, str]] = []
    loop = SimpleNamespace(call_exception_handler=told.append)
    context = SimpleNamespace(is_shutdown=is_shutdown, asyncio_loop=loop)
    event = SimpleNamespace(returncode=code, process_name='depthforge-1')
    assert on_exit['on_exit'](event, context) is None
    assert [one['message'].split(' failed')[0] for one in told] == ['depthforge-1'] * fails


def test_replay_keeps_an_earlier_recording(tmp_path: Path) -> None:
    _, start = load('replay.launch.py')
    with pytest.raises(UserError, match='exists already'):
        start(bag='in', output=str(tmp_path))


def test_package_depends_on_the_commands_that_launch_files_call() -> None:
    package = (ROOT / 'package.xml').read_text()
    for verb in ('bag', 'launch', 'lifecycle', 'run'):
        assert f'<exec_depend>ros2{verb}</exec_depend>' in package


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('topic', ['', '/velodyne_points', '/{camera}/points'])
def test_lidar_is_remapped_where_it_was_given(name: str, topic: str) -> None:
    declared, start = load(name)
    given = {'bag': 'in', 'output': 'out', 'cameras': 'front,rear', 'lidar_topic': topic}
    several = 'cameras' in declared
    if '{' in topic and not several:
        return
    node = start(**{key: value for key, value in given.items() if key in declared})[0]
    remapped = {source: to for source, to in node.named['remappings'] if source.endswith('lidar')}
    cameras = {'front/lidar': 'front', 'rear/lidar': 'rear'} if several else {'lidar': ''}
    assert remapped == {
        source: topic.replace('{camera}', camera) for source, camera in cameras.items() if topic
    }
