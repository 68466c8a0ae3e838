# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Engines by name. `load_engine` is what the node and every command call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from depthforge_ros.engine import artefact
from depthforge_ros.engine.artefact import Artefact
from depthforge_ros.engine.base import Engine, NetworkOutput
from depthforge_ros.engine.compiled import (
    CompiledEngine,
    Compiler,
    fitting,
    open_compiled,
    open_newest,
)
from depthforge_ros.engine.cuda_graph import CudaGraphEngine
from depthforge_ros.engine.inductor import Inductor
from depthforge_ros.engine.null import NullEngine
from depthforge_ros.engine.openvino import OpenVino
from depthforge_ros.engine.sparse_depth import SparseDepthEngine
from depthforge_ros.engine.tensorrt.compiler import TensorRt
from depthforge_ros.engine.torch_engine import load, Loaded
from depthforge_ros.engine.uncompiled import Bf16Engine, EagerEngine, Int8Engine, uncompiled
from depthforge_ros.errors import UserError

INDUCTOR = Inductor()
COMPILERS: Mapping[str, Compiler] = {
    compiler.name: compiler for compiler in (OpenVino(), INDUCTOR, TensorRt())
}
"""Engines that `depthforge compile` makes."""


def _compiled(name: str) -> Callable[..., Engine]:
    def open_stored(
        model: str, *, device: str, short_side: int | None, threads: int | None
    ) -> CompiledEngine:
        loaded = load(model, device=device, threads=threads)
        return open_newest(COMPILERS[name], loaded, short_side)

    return open_stored


def _uncompiled(make: Callable[[Loaded], Engine], *, auto: str) -> Callable[..., Engine]:
    """Load a model for an engine without compiling; `auto` is its device where none is given."""

    def open_now(
        model: str, *, device: str, short_side: int | None, threads: int | None
    ) -> Engine:
        loaded = load(model, device=auto if device == 'auto' else device, threads=threads)
        return make(loaded.sized(short_side))

    return open_now


ENGINES: Mapping[str, Callable[..., Engine]] = {
    'eager': _uncompiled(EagerEngine, auto='auto'),
    'bf16': _uncompiled(Bf16Engine, auto='cpu'),
    'int8': _uncompiled(Int8Engine, auto='cpu'),
    'cuda_graph': CudaGraphEngine.load,
    **{name: _compiled(name) for name in COMPILERS},
    'null': NullEngine.load,
}

__all__ = ['COMPILERS', 'ENGINES', 'Engine', 'NetworkOutput', 'load_engine', 'unload']


def load_engine(
    model: str,
    *,
    engine: str = 'auto',
    device: str = 'auto',
    short_side: int | None = None,
    threads: int | None = None,
    depth_every: int = 1,
    cameras: int = 1,
) -> Engine:
    """
    Load a model by name, or by the path of a checkpoint, into an engine.

    `short_side` in pixels replaces the checkpoint's own input size; `threads` limits CPU threads.
    `auto` takes no compiled engine that cannot answer one frame of so many `cameras` at once.
    With `depth_every` the depth stream runs for every so many frames only, see `sparse_depth`.
    """
    options: dict[str, Any] = {'device': device, 'short_side': short_side, 'threads': threads}
    if engine != 'auto' and engine not in ENGINES:
        raise UserError(
            f'engine {engine!r} is not known; choose one of auto, {", ".join(ENGINES)}'
        )
    if engine == 'auto':
        loaded: Engine = _choose(model, **options, cameras=cameras)
    else:
        loaded = ENGINES[engine](model, **options)
    return SparseDepthEngine(loaded, depth_every) if depth_every > 1 else loaded


def unload() -> None:
    """Remove the temporary files of engines, for a process that ends by os._exit."""
    INDUCTOR.unload()


def _choose(
    model: str, *, device: str, short_side: int | None, threads: int | None, cameras: int
) -> Engine:
    """Choose a stored engine that fits and was faster when built; else an uncompiled one."""
    loaded = load(model, device=device, threads=threads)
    is_cuda = loaded.device.type == 'cuda'
    refused: list[str] = []
    slower: list[str] = []
    for name in ('tensorrt', 'inductor') if is_cuda else ('openvino', 'inductor'):
        try:
            found, refusals = _stored(COMPILERS[name], loaded, short_side, cameras)
            if found is None:
                refused += [str(error) for error in refusals]
                continue
            times = f'{found.ms:.0f} ms, and {found.other_ms:.0f} ms without compiling'
            if found.ms > found.other_ms:
                slower.append(f'{found.program.name} is the slower here: {times}')
                continue
            reason = f'compiled for {loaded.device}: {times}'
            return open_compiled(COMPILERS[name], loaded, found, reason=reason)
        except UserError as error:
            refused.append(str(error))
    size = f' at short_side {short_side}' if short_side else ''
    engine = uncompiled(
        loaded.sized(short_side),
        '; '.join(refused + slower)
        or f'none is compiled for {model}{size}, see `depthforge compile`',
    )
    engine.refused = '; '.join(refused)
    return engine


def _stored(
    compiler: Compiler, loaded: Loaded, short_side: int | None, cameras: int
) -> tuple[Artefact | None, list[UserError]]:
    """Find a stored engine that fits, see `fitting`; without any, the compiler is not imported."""
    if not artefact.stored(loaded.model, compiler.name):
        return None, []
    sized = loaded.sized(short_side)
    return fitting(
        compiler, loaded, short_side, lambda found: _require_usable(found, sized, cameras)
    )


def _require_usable(found: Artefact, loaded: Loaded, cameras: int) -> None:
    """Raise UserError for an engine that cannot replace the uncompiled one."""
    wanted, patch = loaded.preprocess.short_side, loaded.preprocess.patch
    least, most = found.request.min_batch, found.request.max_batch
    if least > 1 or most < cameras:
        raise UserError(
            f'{found.program.name} takes {least} to {most} frames at once, not 1 to {cameras}; '
            f'compile one with --batch 1-{cameras}'
        )
    if abs(min(found.request.height, found.request.width) - wanted) > patch:
        raise UserError(
            f'{found.program.name} is of another size than short_side {wanted}; set short_side, '
            'or name the engine'
        )
