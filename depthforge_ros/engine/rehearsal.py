# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Compiling with TensorRT where no GPU is: counted, built, compared with eager, not stored."""

from __future__ import annotations

from dataclasses import dataclass

from depthforge_ros.engine.agreement import Agreement, compare
from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.build import exported
from depthforge_ros.engine.compiled import answered, proving_frames
from depthforge_ros.engine.precision import precision
from depthforge_ros.engine.tensorrt import build_unloaded, count, Coverage, has_rtx, prepare
from depthforge_ros.engine.torch_engine import Loaded, to_output
import numpy as np


@dataclass(frozen=True)
class Rehearsal:
    """What is known of an engine without a GPU."""

    coverage: Coverage
    engine_bytes: int | None
    """Size of the engine that was built; None where TensorRT builds none without a GPU."""
    agreement: Agreement | None
    """Of its network, run by PyTorch, with eager; None likewise."""


def rehearse(loaded: Loaded, request: Request) -> Rehearsal:
    """
    Do all of `build` that needs no GPU. Uses the weights of `loaded` up.

    TensorRT's full libraries build on GPUs only, and there only the operators are counted; its RTX
    flavour builds anywhere. UserError where it cannot build the network.
    """
    precision(request.precision)
    prepare()
    frames = proving_frames(loaded, request)
    if request.max_batch > request.min_batch:
        # Another frame beside the first: frames of one batch must not mix.
        frames = np.concatenate((frames, frames[:1, :, ::-1]))
    reference = answered(loaded.answering, frames, loaded) if has_rtx() else ()
    program = exported(loaded, request)
    coverage = count(program, request)
    if not reference:
        return Rehearsal(coverage, None, None)
    engine, run = build_unloaded(program, request)
    answer, space = answered(run, frames, loaded), loaded.label_space
    agreement = compare(to_output(answer, space), to_output(reference, space), request.precision)
    return Rehearsal(coverage, len(engine), agreement)
