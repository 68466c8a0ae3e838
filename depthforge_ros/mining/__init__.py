# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What to label next: which frames of recordings, and how annotation tools get them."""
