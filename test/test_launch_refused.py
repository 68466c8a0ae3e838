# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Wrong arguments of launch files end in one line that says what to give."""

from __future__ import annotations

from depthforge_ros.errors import UserError
from launch_support import FILES, load
import pytest


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
@pytest.mark.parametrize('argument', ['image_topic', 'camera_info_topic'])
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
    'cameras', ['', 'front,', 'front,,rear', 'front,rear,front', '1,2', 'front left', 'front-left']
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
