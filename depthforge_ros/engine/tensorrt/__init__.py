# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""TensorRT: compiling ahead of time, with or without a GPU."""
