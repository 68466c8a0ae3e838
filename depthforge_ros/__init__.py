# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0

"""Semantic masks and auxiliary depth from camera topics, with the DepthForge model."""
