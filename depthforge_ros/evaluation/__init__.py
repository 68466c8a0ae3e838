# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Judging models on labelled images, bags and video benchmarks. Needs no ROS."""
