# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Dependencies point one way, no room on one above it; read from the imports of every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
import os
from pathlib import Path
import subprocess
import sys

import pytest
from support.paths import ROOT

LAYERS = ('benchmarks', 'depthforge_ros', 'launch', 'trainer')
SOURCES = sorted(
    path.relative_to(ROOT)
    for layer in LAYERS
    for path in (ROOT / layer).rglob('*.py')
    if 'test' not in path.relative_to(ROOT).parts
)

ROS_NODE = Path('depthforge_ros/ros')
PEERS_OF_THE_NODE = tuple(
    Path('benchmarks') / f'{name}.py'
    for name in ('cycles', 'faults', 'geometry_cost', 'lidar', 'middleware', 'node', 'soak')
)
"""They measure it, or its messages, from outside."""
TENSORRT = Path('depthforge_ros/engine/tensorrt/compiler.py')
CORE = Path('depthforge_ros')
USERS_OF_ROS_LAYER = (ROS_NODE, Path('depthforge_ros/cli'), Path('benchmarks'), Path('launch'))
FLOORS = (
    ('allocator', 'errors', 'files', 'frame', 'headers', 'labels', 'preprocess', 'resources'),
    *(('geometry',), ('metrics',), ('model',), ('engine',)),
    ('domain', 'pipeline', 'postprocess'),
    *(('bags',), ('datasets',), ('evaluation',), ('mining',), ('reports',)),
    *(
        ('ros.node_protocol',),
        ('ros.parameters',),
        ('ros.topics',),
        ('ros.diagnostics',),
        ('ros.tools',),
        ('ros',),
    ),
    ('cli',),
)
"""Rooms of the package, bottom first: each may import from its own floor and from those below."""


def imports(source: str, path: Path) -> Iterator[str]:
    """Yield the absolute dotted name of everything that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.parent.parts[: len(path.parent.parts) - node.level + 1]
            base = [*(package if node.level else ()), *([node.module] if node.module else ())]
            yield from ('.'.join([*base, alias.name]) for alias in node.names)


def faults(source: str, path: Path) -> list[str]:
    """Name every import that breaks a rule of the layers."""
    return [f'{path}: {name}' for name in imports(source, path) if not allowed(name, path)]


def allowed(name: str, path: Path) -> bool:
    """Judge one import of the file at a path relative to the root."""
    top = name.split('.')[0]
    if top == 'rclpy' or top.endswith('_msgs'):
        return path.is_relative_to(ROS_NODE) or path in PEERS_OF_THE_NODE
    if top in ('tensorrt', 'torch_tensorrt'):
        return path == TENSORRT
    if top == 'depthforge_trainer':
        return not path.is_relative_to(CORE)
    is_of_ros = f'{name}.'.startswith('depthforge_ros.ros.')
    if is_of_ros and not any(path.is_relative_to(user) for user in USERS_OF_ROS_LAYER):
        return False
    if top == CORE.name and path.is_relative_to(CORE) and path.stem != '__init__':
        return floor(name) <= floor('.'.join(path.with_suffix('').parts))
    return True


def floor(name: str) -> int:
    """Find the floor of a module of the package, or of what is in it."""
    parts = name.split('.')[1:]
    rooms = {room: number for number, floor in enumerate(FLOORS) for room in floor}
    return next(rooms[room] for room in ('.'.join(parts[:2]), parts[0]) if room in rooms)


@pytest.mark.parametrize('path', SOURCES, ids=str)
def test_file_keeps_its_layer(path: Path) -> None:
    assert faults((ROOT / path).read_text(encoding='utf-8'), path) == []


@pytest.mark.parametrize(
    ('source', 'path'),
    [
        ('import rclpy', 'depthforge_ros/frame.py'),
        ('import rclpy.node as n', 'depthforge_ros/cli/node.py'),
        ('def f():\n    from sensor_msgs.msg import Image', 'depthforge_ros/bags/bag.py'),
        ('if 1:\n    import torch_tensorrt', 'depthforge_ros/engine/uncompiled.py'),
        ('import tensorrt', 'depthforge_ros/ros/node.py'),
        ('from depthforge_trainer import train', 'depthforge_ros/model/network.py'),
        ('from depthforge_ros import ros', 'depthforge_ros/pipeline.py'),
        ('from depthforge_ros.ros.running import run', 'trainer/depthforge_trainer/cli.py'),
        ('from . import ros', 'depthforge_ros/pipeline.py'),
        ('from ..ros.running import run', 'depthforge_ros/engine/base.py'),
        ('from depthforge_ros.evaluation.truth import Truth', 'depthforge_ros/bags/bag.py'),
        ('from depthforge_ros.bags import bag', 'depthforge_ros/metrics/clips.py'),
        ('from depthforge_ros.pipeline import Pipeline', 'depthforge_ros/engine/base.py'),
        (
            'from depthforge_ros.ros.node import DepthforgeNode',
            'depthforge_ros/ros/tools/replay.py',
        ),
        ('from depthforge_ros.ros.topics import qos', 'depthforge_ros/ros/parameters/file.py'),
    ],
)
def test_a_wrong_import_is_found(source: str, path: str) -> None:
    assert len(faults(source, Path(path))) == 1


@pytest.mark.parametrize(
    ('source', 'path'),
    [
        ('import rclpy', 'depthforge_ros/ros/node.py'),
        ('import torch_tensorrt', 'depthforge_ros/engine/tensorrt/compiler.py'),
        ('from depthforge_ros.labels import CAMVID', 'trainer/depthforge_trainer/train.py'),
        ('from depthforge_ros.ros.tools import replay', 'depthforge_ros/cli/replay.py'),
        ('from . import rig', 'depthforge_ros/ros/node.py'),
        ('from depthforge_ros.metrics.clips import Clip', 'depthforge_ros/evaluation/fleet.py'),
    ],
)
def test_a_right_import_passes(source: str, path: str) -> None:
    assert faults(source, Path(path)) == []


def test_tests_of_tensorrt_import_nothing_that_its_environment_lacks() -> None:
    """`make tensorrt-dry-run` installs no bags, no plots and no ROS; `make test` has them all."""
    code = (
        'import sys; sys.modules.update(dict.fromkeys(("rosbags", "plotly", "rclpy")));'
        'import engine.test_fp8, engine.test_tensorrt'
    )
    folders = os.pathsep.join((str(ROOT), str(ROOT / 'test')))
    subprocess.run(
        [sys.executable, '-c', code], check=True, env={**os.environ, 'PYTHONPATH': folders}
    )
