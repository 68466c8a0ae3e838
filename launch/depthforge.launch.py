# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Start the DepthForge node, and RViz if wanted."""

from pathlib import Path

from depthforge_ros.ros.topics import camera_info_beside
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch_ros.actions import Node

CONFIG = Path(__file__).resolve().parents[1] / 'config'
RVIZ_TOPICS = (
    '/depthforge/segmentation/overlay',
    '/depthforge/depth/relative',
    '/depthforge/segmentation/mask',
    '/depthforge/points',
)
ENGINES = [
    *('', 'auto', 'eager', 'int8', 'cuda_graph', 'openvino', 'inductor', 'tensorrt', 'null')
]
ARGUMENTS = (
    DeclareLaunchArgument('namespace', default_value='', description='Namespace of the node.'),
    DeclareLaunchArgument(
        'image_topic',
        default_value='/camera/image_raw',
        description='Topic of sensor_msgs/Image, or of CompressedImage where the parameter '
        'image_transport is compressed.',
    ),
    DeclareLaunchArgument(
        'camera_info_topic',
        default_value='',
        description='Topic of sensor_msgs/CameraInfo; empty: beside the images.',
    ),
    DeclareLaunchArgument(
        'params_file',
        default_value=str(CONFIG / 'depthforge.yaml'),
        description='YAML file of parameters; cpu.yaml beside it is for machines without a GPU.',
    ),
    DeclareLaunchArgument(
        'model',
        default_value='',
        description='Name of a model or path of a checkpoint; empty leaves it to params_file.',
    ),
    DeclareLaunchArgument(
        'engine',
        default_value='',
        description='What runs the model; empty leaves it to params_file.',
        choices=ENGINES,
    ),
    DeclareLaunchArgument(
        'build_only',
        default_value='false',
        description='Only compile the engine for this machine, and end; the node is not started.',
        choices=['true', 'false'],
    ),
    DeclareLaunchArgument(
        'build_size',
        default_value='512x1024',
        description="With build_only: rows and columns of the network's input, pixels.",
    ),
    DeclareLaunchArgument(
        'use_sim_time',
        default_value='false',
        description='Take the time from /clock, as in a replay.',
        choices=['true', 'false'],
    ),
    DeclareLaunchArgument(
        'rviz', default_value='false', description='Start RViz.', choices=['true', 'false']
    ),
    DeclareLaunchArgument(
        'log_level',
        default_value='info',
        description='Least severity that is logged.',
        choices=['debug', 'info', 'warn', 'error'],
    ),
)


def start(context):
    """Build the nodes once the arguments have their values."""
    given = context.launch_configurations
    if given['build_only'] == 'true':
        return [_build(given)]
    overrides = {'use_sim_time': given['use_sim_time'] == 'true'}
    overrides.update({name: given[name] for name in ('model', 'engine') if given[name]})
    nodes = [
        Node(
            package='depthforge_ros',
            executable='depthforge_node',
            name='depthforge',
            namespace=given['namespace'],
            parameters=[given['params_file'], overrides],
            remappings=[
                ('image', given['image_topic']),
                (
                    'camera_info',
                    given['camera_info_topic'] or camera_info_beside(given['image_topic']),
                ),
            ],
            arguments=['--ros-args', '--log-level', given['log_level']],
            output='screen',
        )
    ]
    if given['rviz'] == 'true':
        namespace = given['namespace'].strip('/')
        prefix = f'/{namespace}' if namespace else ''
        nodes.append(
            Node(
                package='rviz2',
                executable='rviz2',
                name='rviz2',
                arguments=['-d', str(CONFIG / 'depthforge.rviz')],
                parameters=[{'use_sim_time': given['use_sim_time'] == 'true'}],
                remappings=[(topic, prefix + topic) for topic in RVIZ_TOPICS],
            )
        )
    return nodes


def _build(given):
    height, width = given['build_size'].split('x')
    command = ['ros2', 'run', 'depthforge_ros', 'depthforge', 'compile']
    command += ['--engine', given['engine'] or 'tensorrt', '--height', height, '--width', width]
    if given['model']:
        command += ['--model', given['model']]
    return ExecuteProcess(cmd=command, output='screen')


def generate_launch_description():
    """Return the arguments, then the nodes that follow from them."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
