# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Dependencies point one way; read from the import statements of every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
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
    for name in ('cycles', 'faults', 'geometry_cost', 'middleware', 'node', 'soak')
)
"""They measure it, or its messages, from outside."""
TENSORRT = Path('depthforge_ros/engine/tensorrt.py')
CORE = Path('depthforge_ros')
USERS_OF_ROS_LAYER = (ROS_NODE, Path('depthforge_ros/cli'), Path('benchmarks'), Path('launch'))


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
    if name == 'depthforge_ros.ros' or name.startswith('depthforge_ros.ros.'):
        return any(path.is_relative_to(user) for user in USERS_OF_ROS_LAYER)
    return True


@pytest.mark.parametrize('path', SOURCES, ids=str)
def test_file_keeps_its_layer(path: Path) -> None:
    assert faults((ROOT / path).read_text(encoding='utf-8'), path) == []


@pytest.mark.parametrize(
    ('source', 'path'),
    [
        ('import rclpy', 'depthforge_ros/frame.py'),
        ('import rclpy.node as n', 'depthforge_ros/cli/node.py'),
        ('def f():\n    from sensor_msgs.msg import Image', 'depthforge_ros/evaluation/bag.py'),
        ('if 1:\n    import torch_tensorrt', 'depthforge_ros/engine/eager.py'),
        ('import tensorrt', 'depthforge_ros/ros/node.py'),
        ('from depthforge_trainer import train', 'depthforge_ros/model/network.py'),
        ('from depthforge_ros import ros', 'depthforge_ros/pipeline.py'),
        ('from depthforge_ros.ros.running import run', 'trainer/depthforge_trainer/cli.py'),
        ('from . import ros', 'depthforge_ros/pipeline.py'),
        ('from ..ros.running import run', 'depthforge_ros/engine/base.py'),
    ],
)
def test_a_wrong_import_is_found(source: str, path: str) -> None:
    assert len(faults(source, Path(path))) == 1


@pytest.mark.parametrize(
    ('source', 'path'),
    [
        ('import rclpy', 'depthforge_ros/ros/node.py'),
        ('import torch_tensorrt', 'depthforge_ros/engine/tensorrt.py'),
        ('from depthforge_ros.labels import CAMVID', 'trainer/depthforge_trainer/train.py'),
        ('from depthforge_ros.ros import replay', 'depthforge_ros/cli/replay.py'),
        ('from . import messages', 'depthforge_ros/ros/node.py'),
    ],
)
def test_a_right_import_passes(source: str, path: str) -> None:
    assert faults(source, Path(path)) == []
