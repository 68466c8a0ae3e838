# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Figures of masks and depth: per frame, over time, and added up."""
