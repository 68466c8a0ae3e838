# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Judging models on labelled images and bags, and making bags. Needs no ROS."""
