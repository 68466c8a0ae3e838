# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""From relative to metric: cameras, the scale that the road gives, points. Needs no ROS."""
