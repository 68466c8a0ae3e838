# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What tests share. `test/` is on the path of modules, so they import `support.NAME`."""
