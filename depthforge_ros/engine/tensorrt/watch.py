# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Progress of TensorRT's builder, and signals that end it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, ExitStack
import logging
import signal
import threading
from typing import Any

from tqdm import tqdm

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def watched(interpreter: Any, library: Any) -> Iterator[None]:
    """
    Watch what Torch-TensorRT's `interpreter` class builds with `library`, TensorRT's module.

    A signal ends the build at its next step, and is handled then. Torch-TensorRT's own log of an
    error, which has the network's whole graph, is left out.
    """
    configured = interpreter._populate_trt_builder_config
    with ExitStack() as stack:

        def configure(self: Any, *args: Any) -> Any:
            options = configured(self, *args)
            options.progress_monitor = _monitor(library, stack.enter_context(_held()))
            return options

        interpreter._populate_trt_builder_config = configure
        stack.callback(setattr, interpreter, '_populate_trt_builder_config', configured)
        log = logging.getLogger('torch_tensorrt.dynamo._compiler')
        stack.callback(setattr, log, 'disabled', log.disabled)
        log.disabled = True
        yield


@contextmanager
def _held() -> Iterator[list[int]]:
    """Hold signals back: exceptions of their handlers are lost where TensorRT calls Python."""
    came: list[int] = []
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, lambda one, frame: came.append(one))
    try:
        yield came
    finally:
        for held, handler in before.items():
            signal.signal(held, handler)
        for one in came:
            signal.raise_signal(one)


def _monitor(library: Any, came: list[int]) -> Any:
    class Monitor(library.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            library.IProgressMonitor.__init__(self)
            self.bar: Any = None
            self.name = ''

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            if parent is None:
                self.name, self.bar = name, tqdm(total=steps, desc=name, leave=False)
            elif self.bar is not None:
                self.bar.set_postfix_str(name)

        def step_complete(self, name: str, step: int) -> bool:
            if name == self.name:
                self.bar.update(step + 1 - self.bar.n)
            return not came

        def phase_finish(self, name: str) -> None:
            if name == self.name:
                self.bar.close()

    return Monitor()
