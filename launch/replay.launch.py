# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Replay a bag through the node and record what it answers; ends with the bag."""

from pathlib import Path

from depthforge_ros.errors import UserError
from depthforge_ros.ros.tools import launching
from depthforge_ros.ros.tools.launch_bag import require_images
from depthforge_ros.ros.topics.names import camera_info_topic, lossless_qos, OUTPUTS
from launch import LaunchDescription
from launch.actions import (
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit

DISCOVERY_S = 4.0
"""Time that player, node and recorder get to find each other before the first frame."""
ACKNOWLEDGE_MS = 5000
"""Time that the node gets to take the last frames from the player."""
LAST_FRAME_S = 5.0
"""Time that the last frames get to be answered and recorded."""
ARGUMENTS = (
    launching.argument('bag', None, 'Folder of the rosbag2 to replay.'),
    launching.argument('output', None, 'Folder of the rosbag2 to create.'),
    *launching.COMMON,
    launching.argument(
        'image_topic',
        '/camera/image_raw',
        'Image topic in the bag, a CompressedImage with image_transport:=compressed.',
    ),
    launching.CAMERA_INFO_TOPIC,
    launching.LIDAR_TOPIC,
    launching.argument('rate', '1.0', '1 is the recorded pace.'),
    launching.params_file('depthforge.yaml'),
)


def start(context):
    """Build node, player and recorder once the arguments have their values."""
    given = context.launch_configurations
    launching.require_one_camera(given)
    if Path(given['output']).exists():
        raise UserError(
            f'output {given["output"]!r} exists already; give a folder that does not exist yet'
        )
    name = launching.node_name(given)
    remappings = launching.inputs(given)
    image_topic = launching.final_topic(given, 'image', given['image_topic'])
    require_images(Path(given['bag']), image_topic, is_compressed=launching.is_compressed(given))
    overrides = {'use_sim_time': True, **lossless_qos(image_topic=image_topic, node=name)}
    node = launching.node(given, overrides, remappings)
    # The mask is recorded as it is, and not compressed beside it.
    outputs = (topic for output, topic in OUTPUTS.items() if output != 'mask_png')
    topics = [launching.final_topic(given, topic) for topic in ('/diagnostics', *outputs)]
    # With the camera, so that `depthforge evaluate bag` can judge the recording.
    info = given['camera_info_topic'] or camera_info_topic(given['image_topic'])
    topics += [image_topic, launching.final_topic(given, 'camera_info', info)]
    record = ExecuteProcess(
        cmd=[
            *('ros2', 'bag', 'record', '--storage', 'mcap', '--output', given['output']),
            *('--topics', *topics),
        ],
        output='screen',
    )
    # However long a model takes to load.
    is_active = f'ros2 lifecycle get {name} --no-daemon --spin-time 1 2>&1 | grep -q ^active'
    wait = ExecuteProcess(cmd=['bash', '-c', f'trap exit INT; until {is_active}; do :; done'])
    play = ExecuteProcess(
        cmd=[
            *('ros2', 'bag', 'play', given['bag'], '--clock', '100', '--rate', given['rate']),
            *('--delay', str(DISCOVERY_S), '--wait-for-all-acked', str(ACKNOWLEDGE_MS)),
        ],
        output='screen',
    )
    end = TimerAction(period=LAST_FRAME_S, actions=[Shutdown(reason='the bag has ended')])
    following = {
        wait: play,
        play: end,
        node: Shutdown(reason='the node has ended'),
        record: Shutdown(reason='the recorder has ended'),
    }
    return [
        node,
        *launching.rviz(given, use_sim_time=True),
        record,
        wait,
        *(
            RegisterEventHandler(OnProcessExit(target_action=first, on_exit=[then]))
            for first, then in following.items()
        ),
        *map(launching.fail_with, (node, record, play)),
    ]


def generate_launch_description():
    """Return the arguments, then the processes that follow from them."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
