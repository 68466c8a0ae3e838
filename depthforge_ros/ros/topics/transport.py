# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Shared memory of Fast DDS that is large enough for images."""

from __future__ import annotations

from importlib import metadata
import math
import os
import resource
import sys

from depthforge_ros.resources import share_directory
from rclpy.utilities import get_rmw_implementation_identifier

PROFILES = share_directory() / 'config' / 'fastdds.xml'
PROFILES_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Of Jazzy, and of Kilted and later, which call the former deprecated at each start."""
LAST_RCLPY_OF_JAZZY = 7
TRANSPORTS_VARIABLE = 'FASTDDS_BUILTIN_TRANSPORTS'
SHARED_MEMORY = '/dev/shm'
SEGMENT_MIB = 64
"""Of config/fastdds.xml; Fast DDS allocates it at once and whole."""
LEAST_FREE_MIB = 2 * SEGMENT_MIB


def enlarge_shared_memory() -> None:
    """
    Use config/fastdds.xml in this process, and in those that it starts.

    To be called before rclpy.init. An image lies in the shared memory of the process that sends
    it, and by default is lost there at times from 512 KiB on. Nothing changes for a user who
    chose profiles or transports, nor for another middleware than Fast DDS, nor where too little
    memory is free: if its segment does not fit, Fast DDS uses no shared memory at all.
    """
    chosen = [name for name in PROFILES_VARIABLES if name in os.environ]
    for name in chosen:
        given = os.environ[name]
        if given and not os.access(given, os.R_OK):
            _say(f'{name} names {given}, which cannot be read; correct or unset it')
    if chosen or TRANSPORTS_VARIABLE in os.environ:
        return
    free_mib, largest_mib = _free_mib(), _largest_file_mib()
    if free_mib < LEAST_FREE_MIB:
        _say(
            f'{SHARED_MEMORY} has {free_mib} MiB free, and {LEAST_FREE_MIB} are needed so that no '
            'large image gets lost; enlarge it (docker run --shm-size 1g, or --ipc host)'
        )
        return
    if largest_mib <= SEGMENT_MIB:
        _say(
            f'files may have {largest_mib} MiB, and more than {SEGMENT_MIB} are needed so that no '
            'large image gets lost; raise the limit (ulimit -f unlimited)'
        )
        return
    os.environ[profiles_variable()] = str(PROFILES)


def profiles_variable() -> str:
    """Name the variable that the Fast DDS of this distribution reads."""
    major = int(metadata.version('rclpy').partition('.')[0])
    return PROFILES_VARIABLES[major > LAST_RCLPY_OF_JAZZY]


def remedy_for_loss() -> str:
    """Say what keeps large images from getting lost before the node."""
    if 'fastrtps' not in get_rmw_implementation_identifier():
        return 'send compressed images, or enlarge the buffers of the middleware'
    return (
        f'start the camera with {profiles_variable()}={PROFILES} for a larger shared memory, or '
        'send compressed images'
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _largest_file_mib() -> float:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit // 2**20


def _free_mib() -> int:
    try:
        status = os.statvfs(SHARED_MEMORY)
    except OSError:  # a system without it
        return 0
    return status.f_bavail * status.f_frsize // 2**20
