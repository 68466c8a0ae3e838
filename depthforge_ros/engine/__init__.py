# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Engines by name. `load_engine` is what the node and every command call."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from depthforge_ros.engine.base import Engine, NetworkOutput
from depthforge_ros.engine.eager import EagerEngine
from depthforge_ros.engine.null import NullEngine
from depthforge_ros.errors import UserError

ENGINES: Mapping[str, Callable[..., Engine]] = {
    'eager': EagerEngine.load,
    'null': NullEngine.load,
}

__all__ = ['ENGINES', 'Engine', 'NetworkOutput', 'load_engine']


def load_engine(
    model: str,
    *,
    engine: str = 'auto',
    device: str = 'auto',
    short_side: int | None = None,
    threads: int | None = None,
) -> Engine:
    """
    Load a model by name, or by the path of a checkpoint, into an engine.

    `short_side` in pixels replaces the checkpoint's own input size; `threads` limits CPU threads.
    """
    name = 'eager' if engine == 'auto' else engine
    if name not in ENGINES:
        raise UserError(
            f'engine {engine!r} is not known; choose one of auto, {", ".join(ENGINES)}'
        )
    return ENGINES[name](model, device=device, short_side=short_side, threads=threads)
