# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Start the DepthForge node for a Nav2 costmap, with a lifecycle manager, and RViz if wanted."""

from depthforge_ros.ros.tools import launching
from launch import LaunchDescription
from launch.actions import OpaqueFunction
from launch_ros.actions import Node

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
    launching.params_file('nav2.yaml'),
    launching.SIM_TIME,
    launching.argument(
        'lifecycle_manager',
        'true',
        "Start a lifecycle manager of the node's own; false: one of Nav2 has it in node_names, or "
        'nobody configures the node.',
        launching.BOOLEAN,
    ),
)
MANAGER = {
    'autostart': True,
    'node_names': ['depthforge'],
    # The node has no bond: a manager that waits for one gives up the bringup.
    'bond_timeout': 0.0,
}


def start(context):
    """Build the nodes once the arguments have their values."""
    given = context.launch_configurations
    launching.require_one_camera(given)
    use_sim_time = launching.sim_time(given)
    overrides = {**launching.given_sim_time(given), 'autostart': False}
    node = launching.node(given, overrides, launching.inputs(given))
    actions = [
        node,
        *launching.rviz(given, use_sim_time=use_sim_time),
        launching.fail_with(node),
    ]
    if given['lifecycle_manager'] == 'true':
        actions.append(manager(given, use_sim_time=use_sim_time))
    return actions


def manager(given, *, use_sim_time):
    """Start Nav2's lifecycle manager, which configures and activates the node."""
    return Node(
        package='nav2_lifecycle_manager',
        executable='lifecycle_manager',
        name='lifecycle_manager_depthforge',
        namespace=given['namespace'],
        parameters=[{**MANAGER, 'use_sim_time': use_sim_time}],
        output='screen',
    )


def generate_launch_description():
    """Return the arguments, then the nodes that follow from them."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
