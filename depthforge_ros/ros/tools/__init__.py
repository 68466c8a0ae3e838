# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Recording, replaying and launching: what works with the node from outside."""
