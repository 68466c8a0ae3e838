# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Launch and configuration files against the node's real parameters and topics."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
import re
from typing import Any

from depthforge_ros.cli.compile import add_arguments
from depthforge_ros.engine import COMPILERS, ENGINES
from depthforge_ros.ros.parameters.definitions import check, is_node_parameter, NodeConfig
from depthforge_ros.ros.tools.session import own_node
from depthforge_ros.ros.topics.names import camera_info_topic, OUTPUTS
from depthforge_ros.ros.topics.qos import create_publisher
import pytest
from sensor_msgs.msg import Image
from support.launch_files import FILES, load
from support.pages import commands, text_of
from support.paths import ROOT
import yaml

MASK = '/depthforge/segmentation/mask'
TOPICS = {topic.replace('~', '/depthforge') for topic in OUTPUTS.values()}


LAUNCHED = [
    (command.words[3], command.words[4:])
    for command in commands()
    if command.words[:3] == ('ros2', 'launch', 'depthforge_ros')
]


def parameters_of(path: Path | str) -> dict[str, Any]:
    return dict(yaml.safe_load(Path(path).read_text())['/**']['ros__parameters'])


@pytest.mark.parametrize('name', FILES)
def test_every_argument_is_described(name: str) -> None:
    declared, _ = load(name)
    assert declared
    for argument in declared.values():
        assert argument.named['description'].endswith('.')
        default, choices = argument.named.get('default_value'), argument.named.get('choices')
        assert choices is None or default in choices


def test_node_is_started_with_what_was_given() -> None:
    declared, start = load('depthforge.launch.py')
    assert set(declared) == {
        *('namespace', 'image_topic', 'camera_info_topic', 'lidar_topic', 'params_file'),
        *('build_only', 'build_size', 'use_sim_time', 'rviz', 'rviz_frame', 'log_level'),
        *('model', 'engine', 'image_transport'),
    }
    node, _ = start(namespace='front', image_topic='/front/image_raw', engine='null')
    assert node.named['executable'] == 'depthforge_node'
    assert node.named['namespace'] == 'front'
    assert node.named['remappings'] == [
        ('image', '/front/image_raw'),
        ('camera_info', '/front/camera_info'),
    ]
    file, overrides = node.named['parameters']
    assert parameters_of(file)['model'] == NodeConfig().model
    assert overrides == {'engine': 'null'}


def test_arguments_are_listed() -> None:
    told = re.search(r'lists the arguments: ([\w,\s]+)\.', text_of('docs/vehicle.md'))
    assert told
    declared, _ = load('depthforge.launch.py')
    assert set(re.findall(r'\w+', told[1])) == set(declared)


def test_documents_launch_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # Their paths are those of this repository.
    monkeypatch.chdir(ROOT)
    assert {name for name, _ in LAUNCHED} == set(FILES)
    for name, words in LAUNCHED:
        given = dict(word.split(':=') for word in words if word != '--show-args')
        declared, start = load(name)
        assert set(given) <= set(declared)
        assert start(**given)


@pytest.mark.parametrize(
    ('name', 'batch'), [('depthforge.launch.py', '1-1'), ('six_cameras.launch.py', '1-6')]
)
def test_engine_is_only_built(name: str, batch: str) -> None:
    _, start = load(name)
    build, _ = start(build_only='true', model='depthforge_small', build_size='504x1022')
    command = build.named['cmd']
    assert command[:5] == ['ros2', 'run', 'depthforge_ros', 'depthforge', 'compile']
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(command[5:])
    assert (args.model, args.engine, args.height, args.width, args.batch) == (
        'depthforge_small', 'tensorrt', 504, 1022, batch,
    )  # fmt: skip


def test_what_is_built_is_what_the_file_names(tmp_path: Path) -> None:
    file = tmp_path / 'mine.yaml'
    file.write_text(
        '/**:\n  ros__parameters: {model: depthforge_small, device: cpu, engine: openvino}\n'
    )
    _, start = load('depthforge.launch.py')
    build, _ = start(build_only='true', params_file=str(file))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(build.named['cmd'][5:])
    chosen = args.model, args.device, args.engine, args.precision
    assert chosen == ('depthforge_small', 'cpu', 'openvino', 'fp32')


@pytest.mark.parametrize(
    ('text', 'engine'),
    [
        ('', 'tensorrt'),
        ('/**: {ros__parameters: {engine: auto}}', 'tensorrt'),
        ('/**: {ros__parameters: {device: cpu}}', 'openvino'),
        ('/car/depthforge:', 'tensorrt'),
    ],
)
def test_what_is_built_for_auto_fits_the_device(tmp_path: Path, text: str, engine: str) -> None:
    file = tmp_path / 'mine.yaml'
    file.write_text(text)
    _, start = load('depthforge.launch.py')
    build, _ = start(build_only='true', params_file=str(file))
    assert build.named['cmd'][5:7] == ['--engine', engine]


@pytest.mark.parametrize('name', FILES)
def test_all_engines_can_be_chosen(name: str) -> None:
    declared, start = load(name)
    assert set(declared['engine'].named['choices']) == {'', 'auto', *ENGINES}
    if 'build_only' in declared:
        assert all(start(build_only='true', engine=engine) for engine in COMPILERS)


@pytest.mark.parametrize('name', FILES)
def test_image_transport_is_chosen(name: str) -> None:
    declared, start = load(name)
    (choices,) = (
        one.metadata['choices'] for one in fields(NodeConfig) if one.name == 'image_transport'
    )
    assert set(declared['image_transport'].named['choices']) == {'', *choices}
    given = {'bag': 'in', 'output': 'out', 'image_topic': '/{camera}/image_raw'}
    if name != 'six_cameras.launch.py':
        given['image_topic'] = '/front/image_raw'
    for transport in ('raw', 'compressed'):
        node = start(**given, image_transport=transport)[0]
        assert node.named['parameters'][1]['image_transport'] == transport
    assert 'image_transport' not in start(**given)[0].named['parameters'][1]


def own_qos() -> dict[str, Any]:
    """Write the QoS of the node's publishers as RViz's files have it."""
    with own_node('node') as node:
        publisher = create_publisher(node, Image, 'topic', on_mismatch=print, is_managed=False)
        profile = publisher.qos_profile

    def words(policy: Any) -> str:
        return str(policy.name).replace('_', ' ').title()

    return {
        'Depth': profile.depth,
        'Durability Policy': words(profile.durability),
        'History Policy': words(profile.history),
        'Reliability Policy': words(profile.reliability),
    }


def test_rviz_shows_topics_that_the_node_has() -> None:
    _, start = load('depthforge.launch.py')
    _, rviz, _ = start(rviz='true', namespace='/front', rviz_frame='base_link')
    option, file, *frame = rviz.named['arguments']
    assert (option, frame) == ('-d', ['-f', 'base_link'])
    displays = yaml.safe_load(Path(file).read_text())['Visualization Manager']['Displays']
    topics = [display.pop('Topic') for display in displays]
    shown = {topic.pop('Value') for topic in topics}
    assert shown < TOPICS
    assert topics == [own_qos()] * 6
    assert set(rviz.named['remappings']) == {(topic, f'/front{topic}') for topic in shown}


def test_rviz_begins_with_what_can_be_seen() -> None:
    told = yaml.safe_load((ROOT / 'config' / 'depthforge.rviz').read_text())
    is_enabled = {
        display['Topic']['Value'].removeprefix('/depthforge/'): display['Enabled']
        for display in told['Visualization Manager']['Displays']
    }
    # RViz does not stretch mono8: ids from 0 to 18 of 255 are black to the eye.
    assert is_enabled == {
        'segmentation/overlay': True,
        'depth/relative': True,
        'segmentation/mask': False,
        'points': True,
        'grid': True,
        'lidar/points': True,
    }
    panels = {one['Name'] for one in told['Visualization Manager']['Displays']} - {
        'Points',
        'Grid',
        'LiDAR',
    }
    assert panels < set(told['Window Geometry'])
    declared, _ = load('depthforge.launch.py')
    frame = told['Visualization Manager']['Global Options']['Fixed Frame']
    assert declared['rviz_frame'].named['default_value'] == frame


def test_six_cameras_are_remapped_and_shown() -> None:
    _, start = load('six_cameras.launch.py')
    node, rviz, _ = start(cameras='front,rear', rviz='true', namespace='car')
    assert node.named['parameters'][1]['cameras'] == ['front', 'rear']
    assert node.named['remappings'] == [
        ('front/image', '/front/image_raw/compressed'),
        ('front/camera_info', '/front/camera_info'),
        ('rear/image', '/rear/image_raw/compressed'),
        ('rear/camera_info', '/rear/camera_info'),
    ]
    assert (MASK, '/car/depthforge/front/segmentation/mask') in rviz.named['remappings']
    assert {topic for topic, _ in rviz.named['remappings']} < TOPICS
    assert start(cameras=' front, rear ', namespace='car')[0].named == node.named
    node, _ = start()
    file = parameters_of(node.named['parameters'][0])
    assert node.named['parameters'][1]['cameras'] == file['cameras']


def test_what_is_not_given_is_left_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / 'mine.yaml'
    file.write_text(
        '/**: {ros__parameters: {cameras: [left, right], use_sim_time: true, '
        'image_transport: compressed}}'
    )
    _, start = load('six_cameras.launch.py')
    node, rviz, _ = start(params_file=str(file), rviz='true')
    overrides = {'cameras': ['left', 'right']}
    assert node.named['parameters'] == [str(file), overrides]
    assert rviz.named['parameters'] == [{'use_sim_time': True}]
    assert node.named['remappings'][0] == ('left/image', '/left/image_raw/compressed')
    node, _ = start(params_file=str(file), use_sim_time='false', cameras='front')
    assert node.named['parameters'][1] == {'cameras': ['front'], 'use_sim_time': False}


def test_replay_plays_into_the_node_and_records_it() -> None:
    _, start = load('replay.launch.py')
    node, record, wait, *handlers = start(
        bag='in', output='out', rate='2.0', image_topic='/camera', namespace='car'
    )
    overrides = node.named['parameters'][1]
    assert overrides['use_sim_time'] is True
    assert overrides['qos_overrides./camera.subscription.reliability'] == 'reliable'
    command = record.named['cmd']
    recorded = set(command[command.index('--topics') + 1 :])
    expected = {f'/car{topic}' for topic in TOPICS - {f'{MASK}/compressed'}}
    assert recorded == expected | {'/diagnostics', '/camera', '/camera_info'}
    assert command[command.index('--output') + 1] == 'out'
    assert 'ros2 lifecycle get /car/depthforge ' in wait.named['cmd'][-1]
    exits = [
        (one.positional[0].named['target_action'], one.positional[0].named['on_exit'])
        for one in handlers
    ]
    following = {target: then for target, then in exits if not callable(then)}
    (play,) = following[wait]
    assert play.named['cmd'][:4] == ['ros2', 'bag', 'play', 'in']
    assert play.named['cmd'][6:10] == ['--rate', '2.0', '--delay', '4.0']
    # The last frames are still on their way when the player has sent them.
    assert play.named['cmd'][10:] == ['--wait-for-all-acked', '5000']
    (end,) = following[play]
    (last,) = end.named['actions']
    assert last.named == {'reason': 'the bag has ended'}
    assert following[node][0].named == {'reason': 'the node has ended'}
    assert following[record][0].named == {'reason': 'the recorder has ended'}
    assert {target for target, then in exits if callable(then)} == {node, record, play}


@pytest.mark.parametrize(
    ('topic', 'namespace', 'resolved'),
    [
        ('camera/image_raw', '', '/camera/image_raw'),
        ('camera/image_raw', 'car', '/car/camera/image_raw'),
        ('camera/image_raw/compressed', '/car/', '/car/camera/image_raw/compressed'),
        ('camera/image_raw', '/fleet/car', '/fleet/car/camera/image_raw'),
        ('/camera/image_raw', 'car', '/camera/image_raw'),
        ('~/image', 'car', '/car/depthforge/image'),
    ],
)
def test_replay_loses_no_frame_of_a_relative_topic(
    topic: str, namespace: str, resolved: str
) -> None:
    _, start = load('replay.launch.py')
    transport = 'compressed' if topic.endswith('compressed') else ''
    node, record, *_ = start(
        bag='in', output='out', image_topic=topic, namespace=namespace, image_transport=transport
    )
    assert node.named['remappings'][0] == ('image', topic)
    overrides = node.named['parameters'][1]
    subscribed = f'qos_overrides.{resolved}.subscription'
    assert overrides[f'{subscribed}.reliability'] == 'reliable'
    assert overrides[f'{subscribed}.depth'] > 1
    mask = f'/{namespace}{MASK}'.replace('//', '/')
    assert overrides[f'qos_overrides.{mask}.publisher.depth'] > 1
    assert mask in record.named['cmd']


def test_replay_has_the_arguments_of_the_node() -> None:
    declared, start = load('replay.launch.py')
    of_the_node, _ = load('depthforge.launch.py')
    # Nothing is built there, and the time is always the bag's.
    assert set(of_the_node) - set(declared) == {'build_only', 'build_size', 'use_sim_time'}
    node, rviz, record, *_ = start(
        bag='in', output='out', namespace='car', camera_info_topic='/info', model='mine',
        engine='eager', rviz='true', log_level='debug',
    )  # fmt: skip
    assert (node.named['namespace'], node.named['arguments'][-1]) == (
        'car', 'car.depthforge:=debug',
    )  # fmt: skip
    assert ('camera_info', '/info') in node.named['remappings']
    overrides = node.named['parameters'][1]
    assert (overrides['model'], overrides['engine']) == ('mine', 'eager')
    mask = f'/car{MASK}'
    assert overrides[f'qos_overrides.{mask}.publisher.depth'] > 1
    assert mask in record.named['cmd']
    assert (MASK, mask) in rviz.named['remappings']
    assert rviz.named['parameters'] == [{'use_sim_time': True}]


@pytest.mark.parametrize(
    ('image', 'info'),
    [
        ('image_raw', 'camera_info'),
        ('/image_raw', '/camera_info'),
        ('front/image_raw/compressed', 'front/camera_info'),
        ('/front/image_raw', '/front/camera_info'),
    ],
)
def test_camera_info_lies_beside_the_image(image: str, info: str) -> None:
    assert camera_info_topic(image) == info


@pytest.mark.parametrize('name', ['depthforge.yaml', 'cpu.yaml', 'nav2.yaml', 'six_cameras.yaml'])
def test_configurations_name_real_parameters_with_allowed_values(name: str) -> None:
    for key, value in parameters_of(ROOT / 'config' / name).items():
        assert is_node_parameter(key)
        check(key, value)
