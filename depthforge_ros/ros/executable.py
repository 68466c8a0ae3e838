# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The executable `depthforge_node`: the node, and a quick end at any moment.

Loading PyTorch or a model takes seconds, and so does the interpreter's own end with them loaded. A
signal ends the first at once, and the second is left out: the node has freed everything by then.
"""

from __future__ import annotations

from collections.abc import Sequence
import os
import signal
import sys
import threading
from typing import Any, NoReturn

GRACE_S = 1.2
"""Time that a node that spins gets to end in order."""


class Leaving:
    """
    What a signal does: it ends the process at once, until there is a node that ends in order.

    ROS's own handlers, which end that node's spinning, call this one too.
    """

    def __init__(self) -> None:
        self._in_order = False

    def in_order(self) -> None:
        """Leave it to the node from now on, for GRACE_S."""
        self._in_order = True

    def __call__(self, number: int, frame: Any) -> None:
        """Handle a signal."""
        del number, frame
        if not self._in_order:
            os._exit(0)
        watchdog = threading.Timer(GRACE_S, os._exit, (0,))
        watchdog.daemon = True
        watchdog.start()


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the node until it is interrupted, and end the process."""
    leaving = Leaving()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leaving)
    from depthforge_ros.allocator import keep_freed_memory
    from depthforge_ros.ros import running
    from depthforge_ros.ros.transport import enlarge_shared_memory

    keep_freed_memory()
    enlarge_shared_memory()
    code = running.run(args, on_ready=leaving.in_order)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == '__main__':
    main()
