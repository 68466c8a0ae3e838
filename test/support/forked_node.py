# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The executable in a fork of a process that has PyTorch and ROS loaded, which takes seconds."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
import signal
import sys

FORKS = multiprocessing.get_context('forkserver')
# Not `running`, which takes from these modules what a program may have changed in them.
FORKS.set_forkserver_preload(['depthforge_ros.ros.executable', 'depthforge_ros.ros.node'])


def run_forked(program: str, errors: Path, timeout_s: float) -> int | None:
    """
    Run the text of a program that calls the node's `main`; returns its exit code.

    Its stderr goes to a file.
    """
    process = FORKS.Process(target=_run, args=(program, errors))
    process.start()
    process.join(timeout_s)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode


def _run(program: str, errors: Path) -> None:
    with errors.open('wb') as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    # The server may be older than the test, and have been started under nohup.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sys.argv = ['depthforge_node', '--ros-args', '-p', 'engine:=null']
    exec(program, {'__name__': '__main__'})
