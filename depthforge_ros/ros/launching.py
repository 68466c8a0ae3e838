# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the launch files share: arguments, and the actions that follow from their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.resources import share_directory
from depthforge_ros.ros.parameters import CAMERA_NAME
from depthforge_ros.ros.topics import camera_info_beside, camera_topic, full_name
from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch_ros.actions import Node
from rclpy.exceptions import NameValidationException
from rclpy.validate_namespace import validate_namespace
import yaml

CONFIG = share_directory() / 'config'
RVIZ_TOPICS = ('segmentation/overlay', 'depth/relative', 'segmentation/mask', 'points')
"""Topics of the node in depthforge.rviz."""
ENGINES = [
    *('', 'auto', 'eager', 'bf16', 'int8', 'cuda_graph'),
    *('openvino', 'inductor', 'tensorrt', 'null'),
]
BOOLEAN = ['true', 'false']


def argument(
    name: str, default: str | None, description: str, choices: Sequence[str] | None = None
) -> Any:
    """Declare an argument; one without a default must be given."""
    return DeclareLaunchArgument(
        name, default_value=default, description=description, choices=choices
    )


def params_file(name: str) -> Any:
    """Declare params_file, by default one of config/."""
    return argument(
        'params_file',
        str(CONFIG / name),
        'YAML file of parameters; cpu.yaml beside it is for machines without a GPU.',
    )


COMMON = (
    argument('namespace', '', 'Namespace of the node.'),
    argument(
        'model', '', 'Name of a model or path of a checkpoint; empty leaves it to params_file.'
    ),
    argument('engine', '', 'What runs the model; empty leaves it to params_file.', ENGINES),
    argument('rviz', 'false', 'Start RViz.', BOOLEAN),
    argument(
        'log_level',
        'info',
        'Least severity that is logged.',
        ['debug', 'info', 'warn', 'error'],
    ),
)
CAMERA_INFO_TOPIC = argument(
    'camera_info_topic', '', 'Topic of sensor_msgs/CameraInfo; empty: beside the images.'
)
SIM_TIME = argument('use_sim_time', 'false', 'Take the time from /clock, as in a replay.', BOOLEAN)
BUILD = (
    argument(
        'build_only',
        'false',
        'Only compile the engine for this machine, and end; the node is not started.',
        BOOLEAN,
    ),
    argument(
        'build_size',
        '512x1024',
        "With build_only: rows and columns of the network's input, pixels.",
    ),
)


def node_name(given: Mapping[str, str]) -> str:
    """Return the full name of the node."""
    namespace = '/' + given['namespace'].strip('/')
    try:
        validate_namespace(namespace)
    except NameValidationException as error:
        raise UserError(
            f'namespace {given["namespace"]!r} was given; expected are names of letters, digits '
            'and _, no digit first, with one / between them, such as fleet/car'
        ) from error
    return f'{namespace.rstrip("/")}/depthforge'


def camera_names(given: Mapping[str, str]) -> list[str]:
    """Read the names of several cameras; spaces around them do not count."""
    names = [name.strip() for name in given['cameras'].split(',')]
    if len(set(names)) < len(names) or not all(map(CAMERA_NAME.fullmatch, names)):
        raise UserError(
            f'cameras {given["cameras"]!r} was given; expected are names of letters, digits and '
            '_, a letter first, each once, with commas between them, such as front,rear'
        )
    return names


def inputs(given: Mapping[str, str], cameras: Sequence[str] = ('',)) -> list[tuple[str, str]]:
    """Remap what the node reads of each camera; {camera} in a topic stands for its name."""
    image = given['image_topic']
    topics = {
        'image': image,
        'camera_info': given['camera_info_topic'] or camera_info_beside(image),
    }
    for name, topic in topics.items():
        if len(cameras) > 1 and '{camera}' not in topic:
            raise UserError(
                f'{name}_topic is {topic!r} for all of {", ".join(cameras)}; put {{camera}} where '
                f'the name of each belongs, such as {name}_topic:=/{{camera}}/{name}'
            )
    remappings = [
        (camera_topic(name, camera), topic.replace('{camera}', camera or '{camera}'))
        for camera in cameras
        for name, topic in topics.items()
    ]
    for _, topic in remappings:
        full_name(topic, node=node_name(given))
    return remappings


def node(
    given: Mapping[str, str],
    overrides: Mapping[str, Any],
    remappings: Sequence[tuple[str, str]],
) -> Any:
    """Start the node; model and engine count before params_file, and so do the overrides."""
    chosen = {name: given[name] for name in ('model', 'engine') if given[name]}
    return Node(
        package='depthforge_ros',
        executable='depthforge_node',
        name='depthforge',
        namespace=given['namespace'],
        parameters=[given['params_file'], {**overrides, **chosen}],
        remappings=remappings,
        arguments=['--ros-args', '--log-level', given['log_level']],
        output='screen',
    )


def rviz(given: Mapping[str, str], *, use_sim_time: bool, camera: str = '') -> list[Any]:
    """Start RViz if it is wanted, with what the node says of one camera."""
    if given['rviz'] != 'true':
        return []
    prefix = f'{node_name(given)}/{camera}'.rstrip('/')
    return [
        Node(
            package='rviz2',
            executable='rviz2',
            name='rviz2',
            arguments=['-d', str(CONFIG / 'depthforge.rviz')],
            parameters=[{'use_sim_time': use_sim_time}],
            remappings=[(f'/depthforge/{topic}', f'{prefix}/{topic}') for topic in RVIZ_TOPICS],
        )
    ]


def build(given: Mapping[str, str], *, cameras: int = 1) -> Any:
    """Compile an engine for frames of so many cameras at once, instead of starting the node."""
    height, width = given['build_size'].split('x')
    values = {**_in_file(Path(given['params_file'])), **{k: v for k, v in given.items() if v}}
    engine = values.get('engine', 'auto')
    engine = 'tensorrt' if engine == 'auto' else engine
    command = ['ros2', 'run', 'depthforge_ros', 'depthforge', 'compile']
    command += ['--engine', engine, '--height', height, '--width', width]
    command += ['--batch', f'1-{cameras}']
    for name in ('model', 'device'):
        if name in values:
            command += [f'--{name}', values[name]]
    if engine == 'tensorrt':
        command += ['--precision', 'fp16']
    return ExecuteProcess(cmd=command, output='screen')


def _in_file(path: Path) -> Mapping[str, str]:
    """Read the parameters that a file gives the node, as far as they concern its engine."""
    found: dict[str, str] = {}
    for name, one in (yaml.safe_load(path.read_text(encoding='utf-8')) or {}).items():
        if name.endswith(('**', 'depthforge')):
            values = one.get('ros__parameters', {})
            found |= {key: values[key] for key in ('model', 'device', 'engine') if key in values}
    return found
