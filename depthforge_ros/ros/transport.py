# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""How images leave this process where Fast DDS carries them."""

from __future__ import annotations

import os

from depthforge_ros.resources import share_directory

PROFILES_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Of Jazzy, and of Kilted and later."""
TRANSPORTS_VARIABLE = 'FASTDDS_BUILTIN_TRANSPORTS'


def enlarge_shared_memory() -> None:
    """
    Let config/fastdds.xml count in this process, and in those that it starts.

    To be called before rclpy.init. An image lies in the shared memory of the process that sends
    it, and by default is lost there at times from 512 KiB on. Nothing changes for a user who
    chose profiles or transports, nor for another middleware than Fast DDS.
    """
    if not any(name in os.environ for name in (*PROFILES_VARIABLES, TRANSPORTS_VARIABLE)):
        file = share_directory() / 'config' / 'fastdds.xml'
        os.environ.update(dict.fromkeys(PROFILES_VARIABLES, str(file)))
