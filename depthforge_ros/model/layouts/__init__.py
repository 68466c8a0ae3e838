# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of other projects: a table of rename rules for each layout, and one engine."""
