# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Engines that are compiled ahead of time: built, proven against eager, stored, reloaded.

A compiler is a module such as `inductor` that turns an exported program into a file and back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
import hashlib
import os
from pathlib import Path
import shutil
import tempfile
from typing import Protocol

from depthforge_ros.engine import artefact
from depthforge_ros.engine.agreement import Agreement, compare
from depthforge_ros.engine.artefact import Artefact, Request
from depthforge_ros.engine.base import NetworkOutput
from depthforge_ros.engine.precision import demand_precision, PRECISIONS
from depthforge_ros.engine.torch_engine import Loaded, Run, to_output, TorchEngine
from depthforge_ros.errors import one_line, UserError
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.model.answer import Answering
from depthforge_ros.preprocess import Preprocess
from depthforge_ros.resources import share_directory
import numpy as np
import numpy.typing as npt
import torch
from torch import nn, Tensor
from torch.export import Dim, export, ExportedProgram

PROVING_FRAME = Path('drive/images/000000.jpg')
PERTURBATION = 0.5
"""Relative; weights this far off must not pass for the right ones."""


class Compiler(Protocol):
    """Turns a program into a file, and a file into what runs."""

    @property
    def name(self) -> str:
        """Return the name in the engine mapping."""

    def versions(self, device: torch.device) -> Mapping[str, str]:
        """Return what its files depend on, by part of the fingerprint."""

    def compile(self, program: ExportedProgram, request: Request, path: Path) -> None:
        """Write the compiled program."""

    def load(self, path: Path, device: torch.device) -> Run:
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
                f'a batch of {count} x {height} x {width} pixels came to an engine that is '
                f'compiled for {wanted}; compile one for it (`depthforge compile`)',
                reason='wrong_shape',
            )
        return super().__call__(images)


def open_compiled(
    compiler: Compiler, loaded: Loaded, *, short_side: int | None, reason: str = 'asked for'
) -> CompiledEngine:
    """Load the newest stored engine of a model, of a short side in pixels where one is asked."""
    found = [
        one
        for one in artefact.stored(loaded.model, compiler.name)
        if short_side in (None, min(one.request.height, one.request.width))
    ]
    if not found:
        size = f' of short side {short_side}' if short_side else ''
        raise UserError(
            f'no {compiler.name} engine{size} is compiled for {loaded.model}; make one with '
            f'`depthforge compile --model {loaded.model} --engine {compiler.name} '
            '--height H --width W`'
        )
    found[0].demand(fingerprint(compiler, loaded, found[0].request))
    found[0].demand_whole()
    run = compiler.load(found[0].program, loaded.device)
    return CompiledEngine(compiler.name, loaded, run, found[0].request, reason=reason)


def fingerprint(compiler: Compiler, loaded: Loaded, request: Request) -> dict[str, str]:
    """Everything on which a compiled program depends, by part."""
    return {
        'weights': loaded.fingerprint,
        'shape and precision': str(request),
        'code': _digest_of_code(),
        'torch': torch.__version__,
        **compiler.versions(loaded.device),
    }


def build(
    compiler: Compiler,
    loaded: Loaded,
    request: Request,
    *,
    report: Callable[[str], None] = lambda line: None,
) -> tuple[Artefact, Agreement]:
    """
    Compile, reload, prove against eager and store. Uses the weights of `loaded` up.

    Raises UserError, and stores nothing, if the reloaded program does not answer as eager does, or
    if wrong weights would have passed for right ones too.
    """
    demand_precision(request.precision, loaded.device)
    frames = proving_frames(loaded, request)
    reference = to_output(_answer(loaded.answering, frames, loaded))
    parts = fingerprint(compiler, loaded, request)
    with _scratch(compiler.name) as scratch:
        path = scratch / 'program.pt2'
        report('exporting')
        program = exported(loaded, request)
        report(f'compiling with {compiler.name}; ctrl-C cancels')
        compiler.compile(program, request, path)
        os.chmod(path, 0o600)
        report('reloading and comparing with eager')
        answer = to_output(_answer(compiler.load(path, loaded.device), frames, loaded))
        agreement = compare(answer, reference)
        if not agreement.is_near:
            raise UserError(f'the compiled engine is not stored: {agreement}')
        if compare(answer, _of_wrong_weights(loaded, frames)).is_near:
            raise UserError(
                'the compiled engine is not stored: wrong weights would pass its self-check too, '
                'which thus proves nothing; train the model further'
            )
        described = artefact.describe(
            path,
            model=loaded.model,
            engine=compiler.name,
            request=request,
            fingerprint=parts,
        )
        artefact.store(path, described)
    return described, agreement


@contextmanager
def _scratch(name: str) -> Iterator[Path]:
    """Give a folder for what is not proven yet; what fails there is told in one line."""
    folder = artefact.engines_directory()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix='building-', dir=folder) as scratch:
            yield Path(scratch)
    except (OSError, RuntimeError) as error:
        # Compilers do not say in their own words that a disk is full.
        where = next(one for one in (folder, *folder.parents) if one.is_dir())
        raise UserError(
            f'{name} did not make an engine ({one_line(error)}), and none is stored; '
            f'{shutil.disk_usage(where).free >> 20} MiB are free in {where}, which '
            f'{artefact.ENGINES_VARIABLE} can change'
        ) from error


def exported(loaded: Loaded, request: Request) -> ExportedProgram:
    """Export the network of the request's precision, with its range of batches."""
    preprocess_for(loaded, request)
    loaded.answering.network.lower(PRECISIONS[request.precision])
    is_ranged = request.max_batch > request.min_batch
    batch = max(2, request.min_batch) if is_ranged else request.min_batch
    example = torch.zeros(
        batch, request.height, request.width, 3, dtype=torch.uint8, device=loaded.device
    )
    shapes = {0: Dim('batch', min=request.min_batch, max=request.max_batch)} if is_ranged else {}
    with torch.no_grad():
        return export(_Fields(loaded.answering), (example,), dynamic_shapes=(shapes,))


class _Fields(nn.Module):
    """The answer as a plain tuple: files of programs know no classes of ours."""

    def __init__(self, answering: Answering) -> None:
        super().__init__()
        self.answering = answering

    def forward(self, image_BHW3: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.answering(image_BHW3))


def preprocess_for(loaded: Loaded, request: Request) -> Preprocess:
    """Fit frames into the request's size; UserError if that is not of whole patches."""
    return Preprocess(
        patch=loaded.preprocess.patch,
        short_side=min(request.height, request.width),
        fixed_size=(request.height, request.width),
    )


def proving_frames(loaded: Loaded, request: Request) -> npt.NDArray[np.uint8]:
    """Return the least batch of a real frame at the request's size, uint8 (B, h, w, 3)."""
    image, _ = preprocess_for(loaded, request)(rgb_from_file(share_directory() / PROVING_FRAME))
    return np.repeat(image[None], request.min_batch, axis=0)


@torch.inference_mode()
def _answer(run: Run, frames: npt.NDArray[np.uint8], loaded: Loaded) -> tuple[Tensor, ...]:
    return tuple(run(torch.from_numpy(frames).to(loaded.device)))


@torch.no_grad()
def _of_wrong_weights(loaded: Loaded, frames: npt.NDArray[np.uint8]) -> NetworkOutput:
    generator = torch.Generator(loaded.device).manual_seed(0)
    for value in loaded.answering.parameters():
        noise = torch.randn(value.shape, generator=generator, device=loaded.device)
        value.mul_((1.0 + PERTURBATION * noise).to(value.dtype))
    return to_output(_answer(loaded.answering, frames, loaded))


def _digest_of_code() -> str:
    """Hash the sources of the network: other code makes other programs of the same weights."""
    sha = hashlib.sha256()
    for path in sorted((Path(__file__).parents[1] / 'model').glob('*.py')):
        sha.update(path.read_bytes())
    return sha.hexdigest()[:16]
