# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Start the DepthForge node, and RViz if wanted."""

from depthforge_ros.ros.tools import launching
from launch import LaunchDescription
from launch.actions import OpaqueFunction

ARGUMENTS = (
    *launching.COMMON,
    launching.argument(
        'image_topic',
        '/camera/image_raw',
        'Topic of sensor_msgs/Image, or of CompressedImage with image_transport:=compressed: its '
        'whole name, such as /camera/image_raw/compressed.',
    ),
    launching.CAMERA_INFO_TOPIC,
    launching.LIDAR_TOPIC,
    launching.params_file('depthforge.yaml'),
    launching.SIM_TIME,
    *launching.BUILD,
)


def start(context):
    """Build the nodes once the arguments have their values."""
    given = context.launch_configurations
    launching.require_one_camera(given)
    if given['build_only'] == 'true':
        return launching.build(given)
    use_sim_time = launching.sim_time(given)
    node = launching.node(given, launching.given_sim_time(given), launching.inputs(given))
    return [
        node,
        *launching.rviz(given, use_sim_time=use_sim_time),
        launching.fail_with(node),
    ]


def generate_launch_description():
    """Return the arguments, then the nodes that follow from them."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
