# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Wrong arguments of launch files end in one line that says what to give."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.errors import UserError
import pytest
from support.launch_files import FILES, load
from support.paths import ROOT

CONFIG = ROOT / 'config'


def refusal(name: str, **given: str) -> str:
    """Return what `ros2 launch` would print as the exception's text."""
    _, start = load(name)
    with pytest.raises(UserError) as refused:
        start(**{'bag': 'in', 'output': 'out', **given})
    said = str(refused.value)
    assert '\n' not in said
    return said


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('namespace', ['my car', 'fleet-1', 'fleet//car', '/1'])
def test_namespaces_that_ros_does_not_know(name: str, namespace: str) -> None:
    said = refusal(name, namespace=namespace)
    assert repr(namespace) in said
    assert 'such as fleet/car' in said


@pytest.mark.parametrize('name', ['depthforge.launch.py', 'replay.launch.py'])
@pytest.mark.parametrize('argument', ['image_topic', 'camera_info_topic', 'lidar_topic'])
@pytest.mark.parametrize(
    ('topic', 'reason'),
    [
        ('image-raw', 'topic name must not contain characters'),
        ('/camera/', 'topic name must not end with a forward slash'),
        ('/a//b', "topic name must not contain repeated '/'"),
        ('/1/image', 'topic name token must not start with a number'),
        ('/{camera}/image', 'unknown substitution: {camera}'),
    ],
)
def test_topics_that_are_no_names(name: str, argument: str, topic: str, reason: str) -> None:
    said = refusal(name, **{argument: topic})
    assert said.startswith(f'topic {topic!r} was given: {reason}')
    assert said.endswith('; give a name such as /camera/image_raw')


@pytest.mark.parametrize('name', ['depthforge.launch.py', 'replay.launch.py'])
def test_images_of_no_topic(name: str) -> None:
    assert refusal(name, image_topic='').startswith("topic '' was given: ")


@pytest.mark.parametrize(
    'cameras', ['front,', 'front,,rear', 'front,rear,front', '1,2', 'front left', 'front-left']
)
@pytest.mark.parametrize('build_only', ['true', 'false'])
def test_names_of_cameras(cameras: str, build_only: str) -> None:
    said = refusal('six_cameras.launch.py', cameras=cameras, build_only=build_only)
    assert repr(cameras) in said
    assert 'such as front,rear' in said


@pytest.mark.parametrize(
    ('argument', 'given'),
    [
        ('image_topic', {'image_topic': '/front/image_raw'}),
        ('camera_info_topic', {'camera_info_topic': '/front/camera_info'}),
        # Beside these images lies one topic for all.
        ('camera_info_topic', {'image_topic': '/image_{camera}'}),
    ],
)
def test_one_topic_for_all_cameras(argument: str, given: dict[str, str]) -> None:
    said = refusal('six_cameras.launch.py', cameras='front,rear', **given)
    assert said.startswith(f"{argument} is '/")
    assert 'for all of front, rear; put {camera}' in said
    _, start = load('six_cameras.launch.py')
    assert start(cameras='front', **given)


@pytest.mark.parametrize('name', FILES)
def test_raw_images_of_a_compressed_topic(name: str) -> None:
    topic = '/{camera}/image_raw/compressed'
    assert 'leave /compressed out' in refusal(name, image_topic=topic, image_transport='raw')


def test_the_file_of_parameters_says_what_the_images_are(tmp_path: Path) -> None:
    for transport, topic in (('compressed', '/a/compressed'), ('raw', '/a'), (None, '/a')):
        file = tmp_path / 'mine.yaml'
        text = '' if transport is None else f'{{image_transport: {transport}}}'
        file.write_text(f'/**: {{ros__parameters: {text}}}')
        _, start = load('depthforge.launch.py')
        assert start(params_file=str(file), image_topic=topic)
        if transport != 'compressed':
            given = {'params_file': str(file), 'image_topic': '/a/compressed'}
            assert 'image_transport:=compressed' in refusal('depthforge.launch.py', **given)


@pytest.mark.parametrize('size', ['', '512', '512x', 'x512', '0x1024', '512.5x1024', '5x5x5'])
def test_sizes_to_build_for(size: str) -> None:
    said = refusal('depthforge.launch.py', build_only='true', build_size=size)
    assert said.startswith(f'build_size {size!r}')
    assert 'such as 512x1024' in said


@pytest.mark.parametrize('engine', ['eager', 'bf16', 'int8', 'cuda_graph', 'null'])
def test_engines_that_are_not_compiled(tmp_path: Path, engine: str) -> None:
    said = refusal('depthforge.launch.py', build_only='true', engine=engine)
    assert repr(engine) in said
    assert 'auto, openvino, inductor, tensorrt' in said
    file = tmp_path / 'mine.yaml'
    file.write_text(f'/**: {{ros__parameters: {{engine: {engine}}}}}')
    given = {'build_only': 'true', 'params_file': str(file)}
    assert refusal('six_cameras.launch.py', cameras='front', **given) == said


def test_files_of_parameters_for_another_number_of_cameras() -> None:
    six, one = (str(CONFIG / name) for name in ('six_cameras.yaml', 'depthforge.yaml'))
    for name in ('depthforge.launch.py', 'replay.launch.py'):
        said = refusal(name, params_file=six)
        assert 'names cameras (front, front_left' in said
        assert 'start them with six_cameras.launch.py' in said
    assert 'names none; give cameras:=' in refusal('six_cameras.launch.py', params_file=one)


@pytest.mark.parametrize('name', FILES)
def test_files_of_parameters_that_are_not_there(name: str, tmp_path: Path) -> None:
    for missing in (str(tmp_path), str(tmp_path / 'none.yaml'), ''):
        said = refusal(name, params_file=missing)
        assert said.startswith(f'params_file {missing!r} is no file; give')


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (b'/**: [', 'is no YAML, mend it'),
        (b'\xff\xfe', 'is no YAML, mend it'),
        (b'model: a\nmodel', 'is no YAML, mend it'),
        (b'- model', "has ['model'] in place of a mapping"),
        (b'/**: tiny', "has 'tiny' in place of a mapping"),
        (b'/depthforge: {ros__parameters: [1]}', 'has [1] in place of a mapping'),
    ],
)
def test_files_of_parameters_without_any(tmp_path: Path, text: bytes, expected: str) -> None:
    file = tmp_path / 'mine.yaml'
    file.write_bytes(text)
    said = refusal('depthforge.launch.py', build_only='true', params_file=str(file))
    assert said.startswith(f'params_file {file} {expected}')
