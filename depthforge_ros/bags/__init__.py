# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Reading, writing and repairing bags, and the files that they are made from. Needs no ROS."""
