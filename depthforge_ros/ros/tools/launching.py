# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the launch files share: arguments, and the actions that follow from their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
import re
from typing import Any

from ament_index_python.packages import get_package_prefix
from depthforge_ros.errors import UserError
from depthforge_ros.resources import share_directory
from depthforge_ros.ros.parameters.definitions import CAMERA_NAME, COMPILED, UNCOMPILED
from depthforge_ros.ros.parameters.file import parameters_in
from depthforge_ros.ros.topics.names import camera_info_topic, camera_topic, resolved_name
from launch.actions import DeclareLaunchArgument, ExecuteProcess, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch_ros.actions import Node
from rclpy.exceptions import NameValidationException
from rclpy.validate_namespace import validate_namespace

CONFIG = share_directory() / 'config'
RVIZ_TOPICS = (
    'segmentation/overlay',
    'depth/relative',
    'segmentation/mask',
    'points',
    'grid',
    'lidar/points',
)
"""Topics of the node in depthforge.rviz."""
ENGINES = ['', 'auto', *UNCOMPILED, *COMPILED]
BOOLEAN = ['true', 'false']
CHOSEN = ('model', 'engine', 'image_transport')
"""Arguments that are parameters of the node, where they are not empty."""


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
    argument(
        'image_transport',
        '',
        'Type of the image topic: raw for sensor_msgs/Image, compressed for CompressedImage; '
        'empty leaves it to params_file.',
        ['', 'raw', 'compressed'],
    ),
    argument('rviz', 'false', 'Start RViz.', BOOLEAN),
    argument(
        'rviz_frame',
        'camera',
        'With rviz: frame in which the points are shown, the frame_id of the images or one that '
        'tf joins to it.',
    ),
    argument(
        'log_level',
        'info',
        'Least severity that the node logs.',
        ['debug', 'info', 'warn', 'error'],
    ),
)
CAMERA_INFO_TOPIC = argument(
    'camera_info_topic', '', 'Topic of sensor_msgs/CameraInfo; empty: beside the images.'
)
LIDAR_TOPIC = argument(
    'lidar_topic',
    '',
    'Topic of sensor_msgs/PointCloud2, painted where params_file sets lidar_extrinsic: one for '
    'all cameras, or with {camera}. Empty: lidar.',
)
SIM_TIME = argument(
    'use_sim_time',
    '',
    'Take the time from /clock, as in a replay; empty leaves it to params_file.',
    ['', *BOOLEAN],
)
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
    pushed = given.get('ros_namespace', '')  # by PushRosNamespace
    own = given['namespace']
    parts = [own] if own.startswith('/') else [pushed, own]
    namespace = '/' + '/'.join(part.strip('/') for part in parts if part.strip('/'))
    try:
        validate_namespace(namespace)
    except NameValidationException as error:
        raise UserError(
            f'namespace {given["namespace"]!r} was given; expected are names of letters, digits '
            'and _, no digit first, with one / between them, such as fleet/car'
        ) from error
    return f'{namespace.rstrip("/")}/depthforge'


def camera_names(given: Mapping[str, str]) -> list[str]:
    """Read the names of several cameras, or take those of params_file."""
    if not given['cameras']:
        named = named_cameras(given)
        if not named:
            raise UserError(
                f'no cameras were given, and params_file {given["params_file"]} names none; give '
                'cameras:= their names, such as front,rear'
            )
        return named
    names = [name.strip() for name in given['cameras'].split(',')]
    if len(set(names)) < len(names) or not all(map(CAMERA_NAME.fullmatch, names)):
        raise UserError(
            f'cameras {given["cameras"]!r} was given; expected are names of letters, digits and '
            '_, a letter first, each once, with commas between them, such as front,rear'
        )
    return names


def named_cameras(given: Mapping[str, str]) -> list[str]:
    """Return the cameras that params_file names; none where it has one without a name."""
    cameras = in_file(given).get('cameras') or []
    return [str(name) for name in cameras if name] if isinstance(cameras, list) else []


def require_one_camera(given: Mapping[str, str]) -> None:
    """Refuse a file of parameters for named cameras, whose topics are others."""
    if cameras := named_cameras(given):
        raise UserError(
            f'params_file {given["params_file"]} names cameras ({", ".join(cameras)}); start them '
            'with six_cameras.launch.py, or give a file for one camera'
        )


def in_file(given: Mapping[str, str]) -> dict[str, Any]:
    """Return what params_file gives the node."""
    return parameters_in(given['params_file'], node_name(given))


def sim_time(given: Mapping[str, str]) -> bool:
    """Tell whether the node takes the time from /clock."""
    return (given['use_sim_time'] or str(in_file(given).get('use_sim_time'))).lower() == 'true'


def given_sim_time(given: Mapping[str, str]) -> dict[str, bool]:
    """Set use_sim_time only where its argument was given: SetUseSimTime counts otherwise."""
    return {'use_sim_time': given['use_sim_time'] == 'true'} if given['use_sim_time'] else {}


def is_compressed(given: Mapping[str, str]) -> bool:
    """Tell whether the node takes CompressedImage."""
    transport = given['image_transport'] or in_file(given).get('image_transport')
    return bool(transport == 'compressed')


def inputs(given: Mapping[str, str], cameras: Sequence[str] = ('',)) -> list[tuple[str, str]]:
    """Remap what the node reads of each camera; {camera} in a topic stands for its name."""
    image = given['image_topic']
    if image.endswith('/compressed') and not is_compressed(given):
        raise UserError(
            f'image_topic is {image!r} and image_transport raw; leave /compressed out, or give '
            'image_transport:=compressed'
        )
    topics = {
        'image': image,
        'camera_info': given['camera_info_topic'] or camera_info_topic(image),
    }
    for name, topic in topics.items():
        if len(cameras) > 1 and '{camera}' not in topic:
            raise UserError(
                f'{name}_topic is {topic!r} for all of {", ".join(cameras)}; put {{camera}} where '
                f'the name of each belongs, such as {name}_topic:=/{{camera}}/{name}'
            )
    if given['lidar_topic']:  # one LiDAR may serve all cameras
        topics['lidar'] = given['lidar_topic']
    remappings = [
        (camera_topic(name, camera), topic.replace('{camera}', camera or '{camera}'))
        for camera in cameras
        for name, topic in topics.items()
    ]
    for _, topic in remappings:
        resolved_name(topic, node=node_name(given))
    return remappings


def final_topic(given: Mapping[str, Any], name: str, topic: str = '') -> str:
    """
    Return the full topic of one of the node's names, which is remapped to `topic`.

    A SetRemap around the launch file counts first, as in launch_ros.
    """
    own = node_name(given)
    for source, target in given.get('ros_remaps', ()):
        with suppress(UserError):  # a rule for another node, such as rviz2:image
            if resolved_name(source, node=own) == resolved_name(name, node=own):
                return resolved_name(target, node=own)
    return resolved_name(topic or name, node=own)


def fail_with(process: Any) -> Any:
    """Let the launch end with exit code 1 where a process fails; what else runs goes on."""

    def on_exit(event: Any, context: Any) -> None:
        if event.returncode and not context.is_shutdown:
            # What an action raises would end all of a vehicle's launch.
            context.asyncio_loop.call_exception_handler(
                {'message': f'{event.process_name} failed; what it says above is the reason'}
            )

    return RegisterEventHandler(OnProcessExit(target_action=process, on_exit=on_exit))


def node(
    given: Mapping[str, str],
    overrides: Mapping[str, Any],
    remappings: Sequence[tuple[str, str]],
) -> Any:
    """Start the node; what was given for it counts before params_file, as do the overrides."""
    chosen = {name: given[name] for name in CHOSEN if given[name]}
    logger = node_name(given).strip('/').replace('/', '.')
    return Node(
        package='depthforge_ros',
        executable='depthforge_node',
        name='depthforge',
        namespace=given['namespace'],
        parameters=[given['params_file'], {**overrides, **chosen}],
        remappings=remappings,
        arguments=['--ros-args', '--log-level', f'{logger}:={given["log_level"]}'],
        output='screen',
    )


def rviz(given: Mapping[str, str], *, use_sim_time: bool, camera: str = '') -> list[Any]:
    """Start RViz if it is wanted, with what the node says of one camera."""
    if given['rviz'] != 'true':
        return []
    _require_rviz()
    is_set = use_sim_time or bool(given['use_sim_time'])
    parameters = [{'use_sim_time': use_sim_time}] if is_set else []
    return [
        Node(
            package='rviz2',
            executable='rviz2',
            name='rviz2',
            arguments=['-d', str(CONFIG / 'depthforge.rviz'), '-f', given['rviz_frame']],
            parameters=parameters,
            remappings=[
                (f'/depthforge/{topic}', final_topic(given, camera_topic(f'~/{topic}', camera)))
                for topic in RVIZ_TOPICS
            ],
        )
    ]


def _require_rviz() -> None:
    """Look for it before anything starts: without it the launch would end, and not the node."""
    try:
        get_package_prefix('rviz2')
    except (LookupError, OSError) as error:
        raise UserError(
            'rviz:=true was given, and rviz2 is not installed; install ros-$ROS_DISTRO-rviz2, or '
            'leave rviz out'
        ) from error


def build(given: Mapping[str, str], *, cameras: int = 1) -> list[Any]:
    """Compile an engine for frames of so many cameras at once, instead of starting the node."""
    size = re.fullmatch(r'([1-9]\d*)x([1-9]\d*)', given['build_size'])
    if size is None:
        raise UserError(
            f'build_size {given["build_size"]!r} was given; expected are rows x columns in whole '
            'pixels, such as 512x1024'
        )
    # ROS takes a bare null for text, as the name of that engine.
    values = {key: 'null' if value is None else value for key, value in in_file(given).items()}
    values |= {name: given[name] for name in CHOSEN if given[name]}
    engine = values.get('engine', 'auto')
    if engine == 'auto':
        engine = 'openvino' if values.get('device') == 'cpu' else 'tensorrt'
    if engine not in COMPILED:
        raise UserError(
            f'build_only with engine {engine!r}, which is not compiled; give engine:= one of '
            f'auto, {", ".join(COMPILED)}, or leave build_only out'
        )
    command = ['ros2', 'run', 'depthforge_ros', 'depthforge', 'compile']
    command += ['--engine', engine, '--height', size[1], '--width', size[2]]
    command += ['--batch', f'1-{cameras}']
    for name in ('model', 'device'):
        if name in values:
            command += [f'--{name}', str(values[name])]
    if engine == 'tensorrt':
        command += ['--precision', 'fp16']
    process = ExecuteProcess(cmd=command, output='screen')
    return [process, fail_with(process)]
