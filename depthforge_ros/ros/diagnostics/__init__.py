# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Statistics of the frames, and what /diagnostics says of them."""
