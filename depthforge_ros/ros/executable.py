# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The executable `depthforge_node`: the node, and a quick end at any moment.

Loading PyTorch or a model takes seconds, and so does the interpreter's own end with them loaded. A
signal ends the first, within GRACE_S, and the second is left out: the node has freed everything by
then, the shared memory of its images too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
import os
import signal
import sys
import threading
from typing import Any, NoReturn

GRACE_S = 1.2
"""Time that a node gets to end in order."""


class Leaving:
    """
    What a signal does; ROS's own handlers call this one too.

    It ends the process at once while there is nothing to free, then it interrupts what runs, once,
    and leaves a node that ends already alone.
    """

    def __init__(self) -> None:
        self._is_bare = True
        self._is_ending = False
        self.undo = ExitStack()
        """Puts back what handled signals before, for a process that goes on."""

    def begin(self) -> None:
        """Interrupt what comes now."""
        self._is_bare = False

    def end(self) -> None:
        """Interrupt no more."""
        self._is_ending = True

    def __call__(self, number: int, frame: Any) -> None:
        """Handle a signal."""
        del number, frame
        if self._is_bare:
            os._exit(0)
        watchdog = threading.Timer(GRACE_S, os._exit, (0,))
        watchdog.daemon = True
        watchdog.start()
        if not self._is_ending:
            self._is_ending = True
            raise KeyboardInterrupt


def catch_signals() -> Leaving:
    """Let SIGINT, SIGTERM and SIGHUP end the process from now on, until the node runs at once."""
    leaving = Leaving()
    # First, for SIGHUP becomes SIGTERM.
    for number in (signal.SIGINT, signal.SIGTERM):
        leaving.undo.callback(signal.signal, number, signal.signal(number, leaving))
    # ROS wakes its executor for the other two alone. Under nohup, SIGHUP is ignored and stays so.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        caught, written = os.pipe()
        os.set_blocking(written, False)
        leaving.undo.callback(os.close, written)
        leaving.undo.callback(
            signal.set_wakeup_fd, signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        )
        before = signal.signal(signal.SIGHUP, lambda *_: None)
        leaving.undo.callback(signal.signal, signal.SIGHUP, before)
        threading.Thread(target=_follow_hangup, args=(caught,), daemon=True).start()
    return leaving


def _follow_hangup(caught: int) -> None:
    """Turn SIGHUP into SIGTERM, by the numbers of what the interpreter caught."""
    while numbers := os.read(caught, 64):
        if signal.SIGHUP in numbers:
            os.kill(os.getpid(), signal.SIGTERM)
    os.close(caught)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the node until it is interrupted, and end the process."""
    leaving = catch_signals()
    from depthforge_ros.allocator import keep_freed_memory
    from depthforge_ros.ros import running
    from depthforge_ros.ros.transport import enlarge_shared_memory

    keep_freed_memory()
    enlarge_shared_memory()
    code = 0
    try:
        leaving.begin()
        code = running.run(args, on_end=leaving.end)
    except KeyboardInterrupt:  # before `run` or after it
        pass
    with suppress(OSError):  # whoever read them may be gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == '__main__':
    main()
