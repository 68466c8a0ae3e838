# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Compiling with TensorRT where no GPU is: counted, built, compared with eager, not stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from depthforge_ros.engine.agreement import Agreement, compare
from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.base import joined, NetworkOutput
from depthforge_ros.engine.build import exported
from depthforge_ros.engine.compiled import answered, proving_frames
from depthforge_ros.engine.precision import precision
from depthforge_ros.engine.tensorrt.compiler import (
    build_unloaded,
    count,
    Coverage,
    has_rtx,
    prepare,
)
from depthforge_ros.engine.torch_engine import Loaded, Run, to_output
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class DryRun:
    """What is known of an engine without a GPU."""

    coverage: Coverage
    built: Built | None
    """None where TensorRT builds nothing without a GPU."""


@dataclass(frozen=True)
class Built:
    """An engine that was built, and not kept."""

    engine_bytes: int
    agreement: Agreement
    """Of the network that it was built from, run by PyTorch, with eager."""
    feature_error: float
    """Norm of the difference of the features over their norm: also of use with random weights,
    whose masks are near ties."""


def dry_run(
    loaded: Loaded, request: Request, *, report: Callable[[str], None] = lambda line: None
) -> DryRun:
    """
    Do all of `build` that needs no GPU. Uses the weights of `loaded` up.

    TensorRT's full libraries build on GPUs only, and there only the operators are counted; its RTX
    flavour builds anywhere. UserError where it cannot build the network.
    """
    precision(request.precision)
    prepare()
    batches = _batches(loaded, request) if has_rtx() else []
    references = [_answer(loaded.answering, frames, loaded) for frames in batches]
    report('exporting')
    program = exported(loaded, request)
    coverage = count(program, request)
    if not batches:
        return DryRun(coverage, None)
    report('compiling with tensorrt')
    engine, run = build_unloaded(program, request)
    report('running its network on the CPU and comparing with eager')
    answer = joined([_answer(run, frames, loaded) for frames in batches])
    reference = joined(references)
    agreement = compare(answer, reference, request.precision)
    return DryRun(coverage, Built(len(engine), agreement, _feature_error(answer, reference)))


def _batches(loaded: Loaded, request: Request) -> list[npt.NDArray[np.uint8]]:
    """Make the least batch and, of a range, one more frame: they must not mix."""
    frames = proving_frames(loaded, request)
    if request.max_batch == request.min_batch:
        return [frames]
    return [frames, np.concatenate((frames, frames[:1, :, ::-1]))]


def _answer(run: Run, frames: npt.NDArray[np.uint8], loaded: Loaded) -> NetworkOutput:
    return to_output(answered(run, frames, loaded), loaded.label_space)


def _feature_error(answer: NetworkOutput, reference: NetworkOutput) -> float:
    assert answer.features is not None
    assert reference.features is not None
    difference = answer.features - reference.features
    return float(np.linalg.norm(difference) / np.linalg.norm(reference.features))
