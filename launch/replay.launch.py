# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Replay a bag through the node and record what it answers; ends with the bag."""

from pathlib import Path

from depthforge_ros.ros.topics import camera_info_beside, lossless, OUTPUTS
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch_ros.actions import Node

CONFIG = Path(__file__).resolve().parents[1] / 'config'
SETTLE_S = 10.0
"""Time that the node gets to load its model before the bag begins."""
LAST_FRAME_S = 5.0
"""Time that the last frames get to be answered and recorded."""
ARGUMENTS = (
    DeclareLaunchArgument('bag', description='Folder of the rosbag2 to replay.'),
    DeclareLaunchArgument('output', description='Folder of the rosbag2 to create.'),
    DeclareLaunchArgument(
        'image_topic', default_value='/camera/image_raw', description='Image topic in the bag.'
    ),
    DeclareLaunchArgument('rate', default_value='1.0', description='1 is the recorded pace.'),
    DeclareLaunchArgument(
        'params_file',
        default_value=str(CONFIG / 'depthforge.yaml'),
        description='YAML file of parameters; cpu.yaml beside it is for machines without a GPU.',
    ),
)


def start(context):
    """Build node, player and recorder once the arguments have their values."""
    given = context.launch_configurations
    overrides = {'use_sim_time': True, **lossless(image_topic=given['image_topic'])}
    node = Node(
        package='depthforge_ros',
        executable='depthforge_node',
        name='depthforge',
        parameters=[given['params_file'], overrides],
        remappings=[
            ('image', given['image_topic']),
            ('camera_info', camera_info_beside(given['image_topic'])),
        ],
        output='screen',
    )
    # The mask is recorded as it is, and not compressed beside it.
    outputs = (topic for name, topic in OUTPUTS.items() if name != 'mask_png')
    topics = [topic.replace('~', '/depthforge') for topic in outputs]
    record = ExecuteProcess(
        cmd=[
            *('ros2', 'bag', 'record', '--storage', 'mcap', '--output', given['output']),
            *('--topics', '/diagnostics', *topics),
        ],
        output='screen',
    )
    play = ExecuteProcess(
        cmd=['ros2', 'bag', 'play', given['bag'], '--clock', '100', '--rate', given['rate']],
        output='screen',
    )
    end = TimerAction(period=LAST_FRAME_S, actions=[Shutdown(reason='the bag has ended')])
    return [
        node,
        record,
        TimerAction(period=SETTLE_S, actions=[play]),
        RegisterEventHandler(OnProcessExit(target_action=play, on_exit=[end])),
    ]


def generate_launch_description():
    """Return the arguments, then the processes that follow from them."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
