# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Start one DepthForge node for several cameras, and RViz with the front one if wanted."""

from pathlib import Path

from depthforge_ros.ros.topics import camera_info_beside
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

CONFIG = Path(__file__).resolve().parents[1] / 'config'
RVIZ_TOPICS = ('segmentation/overlay', 'depth/relative', 'segmentation/mask', 'points')
ENGINES = [
    *('', 'auto', 'eager', 'int8', 'cuda_graph', 'openvino', 'inductor', 'tensorrt', 'null')
]
ARGUMENTS = (
    DeclareLaunchArgument('namespace', default_value='', description='Namespace of the node.'),
    DeclareLaunchArgument(
        'cameras',
        default_value='front,front_left,front_right,rear,rear_left,rear_right',
        description='Names of the cameras, with commas between them and no spaces.',
    ),
    DeclareLaunchArgument(
        'image_topic',
        default_value='/{camera}/image_raw/compressed',
        description='Topic of each camera, with {camera} where its name belongs; '
        'CompressedImage, or Image where the parameter image_transport is raw.',
    ),
    DeclareLaunchArgument(
        'camera_info_topic',
        default_value='',
        description='Topic of the CameraInfo, {camera} likewise; empty: beside the images.',
    ),
    DeclareLaunchArgument(
        'params_file',
        default_value=str(CONFIG / 'six_cameras.yaml'),
        description='YAML file of parameters.',
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
    cameras = given['cameras'].split(',')
    info = given['camera_info_topic'] or camera_info_beside(given['image_topic'])
    inputs = {'image': given['image_topic'], 'camera_info': info}
    overrides = {'use_sim_time': given['use_sim_time'] == 'true', 'cameras': cameras}
    overrides.update({name: given[name] for name in ('model', 'engine') if given[name]})
    nodes = [
        Node(
            package='depthforge_ros',
            executable='depthforge_node',
            name='depthforge',
            namespace=given['namespace'],
            parameters=[given['params_file'], overrides],
            remappings=[
                (f'{camera}/{name}', topic.replace('{camera}', camera))
                for camera in cameras
                for name, topic in inputs.items()
            ],
            arguments=['--ros-args', '--log-level', given['log_level']],
            output='screen',
        )
    ]
    if given['rviz'] == 'true':
        namespace = given['namespace'].strip('/')
        node = f'/{namespace}/depthforge' if namespace else '/depthforge'
        nodes.append(
            Node(
                package='rviz2',
                executable='rviz2',
                name='rviz2',
                arguments=['-d', str(CONFIG / 'depthforge.rviz')],
                parameters=[{'use_sim_time': given['use_sim_time'] == 'true'}],
                remappings=[
                    (f'/depthforge/{topic}', f'{node}/{cameras[0]}/{topic}')
                    for topic in RVIZ_TOPICS
                ],
            )
        )
    return nodes


def generate_launch_description():
    """Return the arguments, then the nodes that follow from them."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
