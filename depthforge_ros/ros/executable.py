# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The executable `depthforge_node`: the node, and a quick end at any moment.

Loading PyTorch takes seconds, and so does the interpreter's own end with it loaded. A signal ends
the first at once, and the second is left out: the node has freed everything by then.
"""

from __future__ import annotations

from collections.abc import Sequence
import os
import signal
import sys
from typing import Any, NoReturn


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the node until it is interrupted, and end the process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    from depthforge_ros.allocator import keep_freed_memory
    from depthforge_ros.ros import node

    keep_freed_memory()
    # From here on ROS and the node end in order.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = node.main(args)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _leave(number: int, frame: Any) -> NoReturn:
    del number, frame
    os._exit(0)


if __name__ == '__main__':
    main()
