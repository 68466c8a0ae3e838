# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Compiling ahead of time: export, compile, reload, prove against eager, store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
import copy
from dataclasses import replace
import os
from pathlib import Path
import shutil
import statistics
import tempfile
import time
import warnings

from depthforge_ros.engine import artefact
from depthforge_ros.engine.agreement import Agreement, compare, LIMITS
from depthforge_ros.engine.artefact import Artefact, Request
from depthforge_ros.engine.base import NetworkOutput
from depthforge_ros.engine.compiled import Compiler, fingerprint
from depthforge_ros.engine.precision import precision, require_precision
from depthforge_ros.engine.proof import (
    answered,
    answered_alone,
    drive_images,
    in_slots,
    preprocess_for,
    prove,
    proving_frames,
    require_distinct,
    write_reference,
)
from depthforge_ros.engine.torch_engine import Loaded, on, Run, to_output
from depthforge_ros.engine.uncompiled import uncompiled
from depthforge_ros.errors import one_line, UserError
from depthforge_ros.model.answer import Answering
from depthforge_ros.model.fp8 import exporting, to_fp8
import numpy as np
import numpy.typing as npt
import torch
from torch import nn, Tensor
from torch.export import Dim, export, ExportedProgram

PERTURBATION = 0.5
"""Relative; weights this far off must not pass for the right ones."""
TIMED_RUNS = 3
CALIBRATION_STEP = 9


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
    require_precision(request.precision, loaded.device)
    if request.precision not in compiler.precisions:
        raise UserError(
            f'{compiler.name} makes no engines in {request.precision}; choose '
            f'{", ".join(compiler.precisions)}'
        )
    parts = fingerprint(compiler, loaded, request)
    with on(loaded.device), _scratch(compiler.name) as scratch:
        path, proof = scratch / 'program.pt2', scratch / 'proof.npz'
        frames = proving_frames(loaded, request)
        reference = answered_alone(loaded.answering, frames, loaded)
        require_distinct(reference, LIMITS[request.precision])
        other_ms = _uncompiled_ms(loaded, frames[: request.min_batch])
        _compile(compiler, loaded, request, path, report)
        report('reloading and comparing with eager')
        run = compiler.load(path, request, loaded.device)
        agreement = _prove(run, loaded, request, reference)
        write_reference(proof, reference)
        os.chmod(proof, 0o600)
        described = artefact.describe(
            path,
            proof,
            model=loaded.model,
            engine=compiler.name,
            request=request,
            fingerprint=parts,
            ms=_median_ms(run, frames[: request.min_batch], loaded),
            other_ms=other_ms,
        )
        artefact.store(path, proof, described)
    return described, agreement


def _compile(
    compiler: Compiler,
    loaded: Loaded,
    request: Request,
    path: Path,
    report: Callable[[str], None],
) -> None:
    report('exporting')
    program = exported(loaded, request, lower=not compiler.lowers)
    report(f'compiling with {compiler.name}; ctrl-C cancels')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', FutureWarning)  # of libraries about each other
        compiler.compile(program, request, path)
    os.chmod(path, 0o600)


def _prove(run: Run, loaded: Loaded, request: Request, reference: NetworkOutput) -> Agreement:
    """Compare with eager; UserError for another answer, and where wrong weights would pass too."""
    limits = LIMITS[request.precision]
    agreement = prove(run, loaded, request, reference, limits)
    if not agreement.is_near:
        raise UserError(f'the compiled engine is not stored: {agreement}')
    wrong = _of_wrong_weights(loaded, proving_frames(loaded, request)[:1])
    if compare(wrong, in_slots(reference, [0]), limits).is_near:
        raise UserError(
            'the compiled engine is not stored: wrong weights would pass its self-check too, '
            'which thus proves nothing; train the model further'
        )
    return agreement


@contextmanager
def _scratch(name: str) -> Iterator[Path]:
    """Give a folder for files that are not proven yet; errors there are one line."""
    folder = artefact.engines_directory()
    try:
        artefact.make_engines_directory()
        with tempfile.TemporaryDirectory(prefix='building-', dir=folder) as scratch:
            yield Path(scratch)
    except (OSError, RuntimeError) as error:
        # Errors of compilers do not say that the disk is full.
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
    """Answers with a plain tuple: program files cannot store classes of ours."""

    def __init__(self, answering: Answering) -> None:
        super().__init__()
        self.answering = answering

    def forward(self, image_BHW3: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.answering(image_BHW3))


def calibration_images(loaded: Loaded, request: Request) -> Iterator[Tensor]:
    """Make every CALIBRATION_STEP-th frame of the bundled drive at the request's size."""
    for image in drive_images(loaded, request, CALIBRATION_STEP):
        yield torch.from_numpy(image)[None].to(loaded.device)


def _uncompiled_ms(loaded: Loaded, frames: npt.NDArray[np.uint8]) -> float:
    """Time what `auto` takes on this device where nothing is compiled."""
    run = uncompiled(replace(loaded, answering=copy.deepcopy(loaded.answering))).run
    return _median_ms(run, frames, loaded)


def _median_ms(run: Run, frames: npt.NDArray[np.uint8], loaded: Loaded) -> float:
    spent_ms = []
    for _ in range(1 + TIMED_RUNS):
        begun_s = time.perf_counter()
        to_output(answered(run, frames, loaded), loaded.label_space)
        spent_ms.append(1e3 * (time.perf_counter() - begun_s))
    return statistics.median(spent_ms[1:])


@torch.no_grad()
def _of_wrong_weights(loaded: Loaded, frames: npt.NDArray[np.uint8]) -> NetworkOutput:
    generator = torch.Generator(loaded.device).manual_seed(0)
    for value in loaded.answering.parameters():
        noise = torch.randn(value.shape, generator=generator, device=loaded.device)
        value.mul_((1.0 + PERTURBATION * noise).to(value.dtype))
    return answered_alone(loaded.answering, frames, loaded)
