# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Engines that are compiled ahead of time: built, proven against eager, stored, reloaded.

A compiler is a module such as `inductor` that turns an exported program into a file and back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
import copy
import hashlib
from importlib import metadata
import os
from pathlib import Path
import shutil
import statistics
import tempfile
import time
from typing import Protocol

from depthforge_ros.engine import artefact
from depthforge_ros.engine.agreement import Agreement, compare, read_proof, write_proof
from depthforge_ros.engine.artefact import Artefact, Request
from depthforge_ros.engine.base import NetworkOutput
from depthforge_ros.engine.precision import demand_precision, has_bf16_units, precision
from depthforge_ros.engine.torch_engine import Loaded, Run, to_output, TorchEngine
from depthforge_ros.errors import one_line, UserError
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.model.answer import Answering
from depthforge_ros.model.fp8 import exporting, to_fp8
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
TIMED_RUNS = 3
CALIBRATION_STEP = 9


class Compiler(Protocol):
    """Turns a program into a file, and a file into what runs."""

    @property
    def name(self) -> str:
        """Return the name in the engine mapping."""

    @property
    def precisions(self) -> Sequence[str]:
        """What it can make programs in."""

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
                f'a batch of {count} x {height} x {width} pixels came to an engine that is '
                f'compiled for {wanted}; compile one for it (`depthforge compile`)',
                reason='wrong_shape',
            )
        return super().__call__(images)


def open_compiled(
    compiler: Compiler, loaded: Loaded, *, short_side: int | None, reason: str = 'asked for'
) -> CompiledEngine:
    """
    Load the newest stored engine that fits, of a short side in pixels where one is asked.

    Raises UserError that says why the newest does not fit, that there is none, or that what was
    loaded does not answer the proving frame as eager did when it was built.
    """
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
    run = compiler.load(found.program, found.request, loaded.device)
    answer = to_output(_answer(run, proving_frames(loaded, found.request), loaded))
    agreement = compare(answer, read_proof(found.proof), found.request.precision)
    if not agreement.is_near:
        raise UserError(
            f'compiled engine {found.program.name} does not answer as it did when it was built: '
            f'{agreement}; compile it again (`depthforge compile`)'
        )
    return CompiledEngine(compiler.name, loaded, run, found.request, reason=reason)


def fitting(
    compiler: Compiler, loaded: Loaded, short_side: int | None
) -> tuple[Artefact | None, list[UserError]]:
    """Find the newest stored engine that fits, and why newer ones do not."""
    refused = []
    for path in artefact.stored(loaded.model, compiler.name):
        try:
            found = artefact.read(path)
            if short_side not in (None, min(found.request.height, found.request.width)):
                continue
            found.demand(fingerprint(compiler, loaded, found.request))
            found.demand_whole()
        except UserError as error:
            refused.append(error)
        else:
            return found, refused
    return None, refused


def fingerprint(compiler: Compiler, loaded: Loaded, request: Request) -> dict[str, str]:
    """Everything on which a compiled program depends, by part."""
    return {
        'weights': loaded.fingerprint,
        'shape and precision': str(request),
        'code': _digest_of_code(),
        'package': metadata.version('depthforge_ros'),
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
    if request.precision not in compiler.precisions:
        raise UserError(
            f'{compiler.name} makes no engines in {request.precision}; choose '
            f'{", ".join(compiler.precisions)}'
        )
    frames = proving_frames(loaded, request)
    reference = to_output(_answer(loaded.answering, frames, loaded))
    other_ms = _uncompiled_ms(loaded, frames)
    parts = fingerprint(compiler, loaded, request)
    with _scratch(compiler.name) as scratch:
        path = scratch / 'program.pt2'
        report('exporting')
        program = exported(loaded, request, lower=not compiler.lowers)
        report(f'compiling with {compiler.name}; ctrl-C cancels')
        compiler.compile(program, request, path)
        os.chmod(path, 0o600)
        report('reloading and comparing with eager')
        run = compiler.load(path, request, loaded.device)
        answer = to_output(_answer(run, frames, loaded))
        agreement = compare(answer, reference, request.precision)
        if not agreement.is_near:
            raise UserError(f'the compiled engine is not stored: {agreement}')
        if compare(answer, _of_wrong_weights(loaded, frames), request.precision).is_near:
            raise UserError(
                'the compiled engine is not stored: wrong weights would pass its self-check too, '
                'which thus proves nothing; train the model further'
            )
        proof = scratch / 'proof.npz'
        write_proof(proof, reference)
        os.chmod(proof, 0o600)
        described = artefact.describe(
            path,
            proof,
            model=loaded.model,
            engine=compiler.name,
            request=request,
            fingerprint=parts,
            ms=_median_ms(run, frames, loaded),
            other_ms=other_ms,
        )
        artefact.store(path, proof, described)
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


def exported(loaded: Loaded, request: Request, *, lower: bool = True) -> ExportedProgram:
    """Export the network, `lower` in the request's precision, with its range of batches."""
    preprocess_for(loaded, request)
    network, is_fp8 = loaded.answering.network, request.precision == 'fp8'
    if is_fp8:
        to_fp8(network, calibration_images(loaded, request)).lower(torch.float16)
    elif lower:
        network.lower(precision(request.precision))
    is_ranged = request.max_batch > request.min_batch
    batch = max(2, request.min_batch) if is_ranged else request.min_batch
    example = torch.zeros(
        batch, request.height, request.width, 3, dtype=torch.uint8, device=loaded.device
    )
    shapes = {0: Dim('batch', min=request.min_batch, max=request.max_batch)} if is_ranged else {}
    with torch.no_grad(), exporting() if is_fp8 else nullcontext():
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


def calibration_images(loaded: Loaded, request: Request) -> Iterator[Tensor]:
    """Make every CALIBRATION_STEP-th frame of the bundled drive at the request's size."""
    preprocess = preprocess_for(loaded, request)
    paths = sorted((share_directory() / PROVING_FRAME).parent.glob('*.jpg'))
    for path in paths[::CALIBRATION_STEP]:
        yield torch.from_numpy(preprocess(rgb_from_file(path))[0])[None].to(loaded.device)


@torch.inference_mode()
def _answer(run: Run, frames: npt.NDArray[np.uint8], loaded: Loaded) -> tuple[Tensor, ...]:
    return tuple(run(torch.from_numpy(frames).to(loaded.device)))


def _uncompiled_ms(loaded: Loaded, frames: npt.NDArray[np.uint8]) -> float:
    """Time what `auto` takes on this device where nothing is compiled; 0 is unknown."""
    if loaded.device.type != 'cpu':
        return 0.0
    answering = loaded.answering
    if has_bf16_units():
        answering = copy.deepcopy(answering)
        answering.network.lower(torch.bfloat16)
    return _median_ms(answering, frames, loaded)


def _median_ms(run: Run, frames: npt.NDArray[np.uint8], loaded: Loaded) -> float:
    spent_ms = []
    for _ in range(1 + TIMED_RUNS):
        begun_s = time.perf_counter()
        to_output(_answer(run, frames, loaded))
        spent_ms.append(1e3 * (time.perf_counter() - begun_s))
    return statistics.median(spent_ms[1:])


@torch.no_grad()
def _of_wrong_weights(loaded: Loaded, frames: npt.NDArray[np.uint8]) -> NetworkOutput:
    generator = torch.Generator(loaded.device).manual_seed(0)
    for value in loaded.answering.parameters():
        noise = torch.randn(value.shape, generator=generator, device=loaded.device)
        value.mul_((1.0 + PERTURBATION * noise).to(value.dtype))
    return to_output(_answer(loaded.answering, frames, loaded))


def _digest_of_code() -> str:
    """Hash the sources: other code makes other programs of the same weights."""
    sha = hashlib.sha256()
    package = Path(__file__).parents[1]
    for folder in ('engine', 'model'):
        for path in sorted((package / folder).glob('*.py')):
            sha.update(path.read_bytes())
    return sha.hexdigest()[:16]
