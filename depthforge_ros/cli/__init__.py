# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The commands: argument parsing only, the work is done by the core, evaluation and ros."""
