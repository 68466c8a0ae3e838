# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Start one DepthForge node for several cameras, and RViz with the front one if wanted."""

from depthforge_ros.ros.tools import launching
from launch import LaunchDescription
from launch.actions import OpaqueFunction

ARGUMENTS = (
    *launching.COMMON,
    launching.argument(
        'cameras',
        '',
        'Names of the cameras, with commas between them; empty leaves them to params_file.',
    ),
    launching.argument(
        'image_topic',
        '/{camera}/image_raw/compressed',
        'Topic of each camera, with {camera} where its name belongs; CompressedImage, or Image '
        'with image_transport:=raw, then without /compressed.',
    ),
    launching.argument(
        'camera_info_topic',
        '',
        'Topic of the CameraInfo, {camera} likewise; empty: beside the images.',
    ),
    launching.LIDAR_TOPIC,
    launching.params_file('six_cameras.yaml'),
    launching.SIM_TIME,
    *launching.BUILD,
)


def start(context):
    """Build the nodes once the arguments have their values."""
    given = context.launch_configurations
    cameras = launching.camera_names(given)
    if given['build_only'] == 'true':
        return launching.build(given, cameras=len(cameras))
    use_sim_time = launching.sim_time(given)
    overrides = {**launching.given_sim_time(given), 'cameras': cameras}
    node = launching.node(given, overrides, launching.inputs(given, cameras))
    return [
        node,
        *launching.rviz(given, use_sim_time=use_sim_time, camera=cameras[0]),
        launching.fail_with(node),
    ]


def generate_launch_description():
    """Return the arguments, then the nodes that follow from them."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
