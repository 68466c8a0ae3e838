# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Engines that were compiled ahead of time: found, checked, loaded and proven again.

`build` makes them. A compiler is a module such as `inductor` that turns an exported program into a
file and back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import hashlib
from importlib import metadata
import json
from pathlib import Path
from typing import Protocol

from depthforge_ros.engine import artefact
from depthforge_ros.engine.agreement import LIMITS
from depthforge_ros.engine.artefact import Artefact, Request
from depthforge_ros.engine.base import NetworkOutput
from depthforge_ros.engine.proof import preprocess_for, prove, read_reference
from depthforge_ros.engine.torch_engine import Loaded, on, Run, TorchEngine
from depthforge_ros.errors import one_line, UserError
import numpy as np
import numpy.typing as npt
import torch
from torch.export import ExportedProgram


class Compiler(Protocol):
    """Turns a program into a file, and a file into what runs."""

    @property
    def name(self) -> str:
        """Return the name in the engine mapping."""

    @property
    def precisions(self) -> Sequence[str]:
        """Return what it can make programs in."""

    @property
    def lowers(self) -> bool:
        """Whether it lowers the precision itself, of a program in fp32."""

    def versions(self, device: torch.device) -> Mapping[str, str]:
        """Return what its files depend on, by part of the fingerprint."""

    def compile(self, program: ExportedProgram, request: Request, path: Path) -> None:
        """Write the compiled program."""

    def load(self, path: Path, request: Request, device: torch.device) -> Run:
        """Reload what `compile` wrote; nothing is compiled again."""


class CompiledEngine(TorchEngine):
    """Runs a stored program at the one size, and in batches of the range, that it is made for."""

    def __init__(
        self, name: str, loaded: Loaded, run: Run, request: Request, *, reason: str = 'asked for'
    ) -> None:
        super().__init__(name, loaded, run, reason=reason)
        self.request = request
        self.preprocess = preprocess_for(loaded, request)

    def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        """Run uint8 (B, h, w, 3) RGB; UserError (`wrong_shape`) outside the compiled range."""
        count, height, width = images.shape[:3]
        wanted = self.request
        fits = (height, width) == (wanted.height, wanted.width)
        if not fits or not wanted.min_batch <= count <= wanted.max_batch:
            raise UserError(
                f'the batch has {count} x {height} x {width} pixels, and the engine is '
                f'compiled for {wanted}; compile one for it (`depthforge compile`)',
                reason='wrong_shape',
            )
        return super().__call__(images)


def open_newest(compiler: Compiler, loaded: Loaded, short_side: int | None) -> CompiledEngine:
    """
    Open the newest stored engine that fits, and has the short side in pixels if one is given.

    One that takes single frames goes before one that takes only more at once. Raises UserError
    that says why the newest does not fit, or that there is none.
    """
    found, _ = fitting(compiler, loaded, short_side, _require_single_frames)
    refused: list[UserError] = []
    if found is None:
        found, refused = fitting(compiler, loaded, short_side)
    if found is None and refused:
        raise refused[0]
    if found is None:
        size = f' of short side {short_side}' if short_side else ''
        raise UserError(
            f'no {compiler.name} engine{size} is compiled for {loaded.model}; make one with '
            f'`depthforge compile --model {loaded.model} --engine {compiler.name} '
            '--height H --width W`'
        )
    return open_compiled(compiler, loaded, found)


def open_compiled(
    compiler: Compiler, loaded: Loaded, found: Artefact, *, reason: str = 'asked for'
) -> CompiledEngine:
    """
    Load what was found to fit.

    Raises UserError if it does not load, or does not answer the proving batches as eager did when
    it was built.
    """
    try:
        with on(loaded.device):
            reference = read_reference(found.proof, found.request)
            run = compiler.load(found.program, found.request, loaded.device)
            limits = LIMITS[found.request.precision]
            agreement = prove(run, loaded, found.request, reference, limits)
    except UserError:
        raise
    except Exception as error:  # Every compiler has its own.
        raise UserError(
            f'compiled engine {found.program.name} does not load or run ({one_line(error)}); '
            'compile it again (`depthforge compile`)'
        ) from error
    if not agreement.is_near:
        raise UserError(
            f'compiled engine {found.program.name} does not answer as it did when it was built: '
            f'{agreement}; compile it again (`depthforge compile`)'
        )
    return CompiledEngine(compiler.name, loaded, run, found.request, reason=reason)


def fitting(
    compiler: Compiler,
    loaded: Loaded,
    short_side: int | None,
    require_fit: Callable[[Artefact], None] = lambda found: None,
) -> tuple[Artefact | None, list[UserError]]:
    """Find the newest stored engine that fits and passes a check, and why newer ones do not."""
    refused = []
    for path in artefact.stored(loaded.model, compiler.name):
        try:
            found = artefact.read(path)
            if short_side not in (None, min(found.request.height, found.request.width)):
                continue
            require_fit(found)
            found.require_fit(fingerprint(compiler, loaded, found.request))
            found.require_intact()
        except UserError as error:
            refused.append(error)
        else:
            return found, refused
    return None, refused


def _require_single_frames(found: Artefact) -> None:
    if found.request.min_batch > 1:
        raise UserError(f'{found.program.name} takes no single frames')


def fingerprint(compiler: Compiler, loaded: Loaded, request: Request) -> dict[str, str]:
    """Return everything on which a compiled program depends, by part."""
    config = loaded.answering.network.config
    return {
        'weights': loaded.fingerprint,
        'configuration': _digest(json.dumps(config.to_json(), sort_keys=True).encode()),
        'shape and precision': str(request),
        'code': _digest_of_code(),
        'package': metadata.version('depthforge_ros'),
        'torch': torch.__version__,
        **compiler.versions(loaded.device),
    }


def _digest_of_code() -> str:
    """Hash the sources: other code makes other programs of the same weights."""
    package = Path(__file__).parents[1]
    paths = (path for one in ('engine', 'model') for path in sorted((package / one).rglob('*.py')))
    return _digest(b''.join(path.read_bytes() for path in paths))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
