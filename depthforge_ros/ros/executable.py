# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The executable `depthforge_node`: the node, which a signal ends within seconds at any moment.

Loading PyTorch or a model takes seconds, and so does the exit of the interpreter with them loaded.
A signal interrupts loading within GRACE_S. The exit of the interpreter is skipped: the node has
freed everything by then, the shared memory of its images too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
import os
import signal
import sys
import threading
import time
from typing import Any, NoReturn

GRACE_S = 1.2
"""Time that a node gets to end in order."""
RESEND_PERIOD_S = 0.05
"""Time that the main thread gets to notice a signal, before it is sent another one."""
HELP = """usage: depthforge_node [--ros-args ARG ...]

run the ROS node: camera images in, masks and depth out

ROS arguments, of which each may be repeated:
  -p PARAMETER:=VALUE    set a parameter, such as model:=depthforge_tiny
  --params-file FILE     set parameters from a YAML file
  -r FROM:=TO            remap a topic, such as image:=/camera/image_raw; __ns:=/NAME too
  --log-level LEVEL      debug, info, warn or error

`ros2 param list /depthforge` names the parameters of a running node, and `ros2 param describe
/depthforge NAME` says what is allowed.
"""
SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


class SignalHandler:
    """
    Handles signals; the handlers of ROS call this one too.

    While there is nothing to free, a signal ends the process at once. Later the first one
    interrupts the node. A node that is ending already is left alone.
    """

    def __init__(self) -> None:
        self._is_bare = True
        self._is_ending = False
        self.is_called = False
        """Whether the main thread has noticed a signal."""
        self.undo = ExitStack()
        """Puts back what handled signals before, for a process that goes on."""

    def begin(self) -> None:
        """Interrupt the node from now on, instead of ending the process."""
        self._is_bare = False

    def end(self) -> None:
        """Let the node end without another interrupt."""
        self._is_ending = True

    def __call__(self, number: int, frame: Any) -> None:
        """Handle a signal."""
        del number, frame
        self.is_called = True
        if self._is_bare:
            os._exit(0)
        watchdog = threading.Timer(GRACE_S, os._exit, (0,))
        watchdog.daemon = True
        watchdog.start()
        if not self._is_ending:
            self._is_ending = True
            raise KeyboardInterrupt


def catch_signals() -> SignalHandler:
    """Handle SIGINT, SIGTERM and SIGHUP from now on; until the node runs, they end the process."""
    handler = SignalHandler()
    # First, for the other ones become SIGTERM.
    for number in (signal.SIGINT, signal.SIGTERM):
        handler.undo.callback(signal.signal, number, signal.signal(number, handler))
    caught, written = os.pipe()
    os.set_blocking(written, False)
    handler.undo.callback(os.close, written)
    handler.undo.callback(
        signal.set_wakeup_fd, signal.set_wakeup_fd(written, warn_on_full_buffer=False)
    )
    # Under nohup it is ignored and stays so.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        before = signal.signal(signal.SIGHUP, lambda *_: None)
        handler.undo.callback(signal.signal, signal.SIGHUP, before)
    threading.Thread(target=_forward_signals, args=(caught, handler), daemon=True).start()
    return handler


def _forward_signals(caught: int, handler: SignalHandler) -> None:
    """
    Turn SIGHUP into SIGTERM, for which ROS wakes its executor, and repeat it until it is noticed.

    A signal that comes just before the main thread begins to wait does not interrupt the wait; the
    next one does. If the main thread is in a library that no signal interrupts, the process ends
    after GRACE_S. `caught` is a pipe with the numbers of the signals.
    """
    while numbers := os.read(caught, 64):
        if set(numbers).isdisjoint(SIGNALS):
            continue
        until_s = time.monotonic() + GRACE_S
        time.sleep(0.0 if signal.SIGHUP in numbers else RESEND_PERIOD_S)
        while not handler.is_called:
            if time.monotonic() > until_s:
                os._exit(0)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(RESEND_PERIOD_S)
    os.close(caught)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the node until it is interrupted, and end the process."""
    if _asks_for_help(sys.argv[1:] if args is None else args):
        print(HELP, end='')
        sys.exit()
    handler = catch_signals()
    from depthforge_ros.allocator import keep_freed_memory
    from depthforge_ros.ros import running
    from depthforge_ros.ros.topics.transport import enlarge_shared_memory

    keep_freed_memory()
    enlarge_shared_memory()
    code = 0
    try:
        handler.begin()
        code = running.run(args, on_end=handler.end)
    except KeyboardInterrupt:  # before `run` or after it
        pass
    for stream in filter(None, (sys.stdout, sys.stderr)):  # none where it was closed at start
        with suppress(OSError):  # whoever read it may be gone
            stream.flush()
    os._exit(code)


def _asks_for_help(arguments: Sequence[str]) -> bool:
    from rclpy.utilities import remove_ros_args

    return not {'-h', '--help'}.isdisjoint(remove_ros_args(args=list(arguments)))


if __name__ == '__main__':
    main()
