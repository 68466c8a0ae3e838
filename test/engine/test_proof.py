# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The self-check of compiled engines: no engine passes it that is wrong in any batch or output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import hashlib
from pathlib import Path
from typing import NamedTuple

from depthforge_ros.engine.agreement import LIMITS, Limits, NEAR
from depthforge_ros.engine.artefact import engines_directory, read, Request, stored
from depthforge_ros.engine.base import NetworkOutput
from depthforge_ros.engine.build import build
from depthforge_ros.engine.compiled import open_newest
from depthforge_ros.engine.proof import (
    answered_alone,
    in_slots,
    prove,
    proving_batches,
    proving_frames,
    read_reference,
    write_reference,
)
from depthforge_ros.engine.torch_engine import load, Loaded, Run
from depthforge_ros.errors import UserError
import numpy as np
import pytest
from support.engines import Interpreted, rewritten, SIZE
from support.networks import mini_checkpoint, SHORT
from support.refusals import refused
import torch
from torch import Tensor

Fields = Sequence[Tensor]
Fault = Callable[[Run, Tensor], Fields]


def wrong_above_batch_1(run: Run, images: Tensor) -> Fields:
    labels, *others = run(images)
    return [labels + int(len(images) > 1), *others]


def wrong_in_one_slot_of_two_frames(run: Run, images: Tensor) -> Fields:
    labels, *others = run(images)
    if len(images) == 2:
        labels[1] += 1
    return [labels, *others]


def wrong_depth_in_the_largest_batch(run: Run, images: Tensor) -> Fields:
    *others, depth, features = run(images)
    return [*others, depth * (1.1 if len(images) == SIZE.max_batch else 1.0), features]


def swaps_confidence_and_entropy(run: Run, images: Tensor) -> Fields:
    labels, confidence, entropy, *others = run(images)
    return [labels, entropy, confidence, *others]


def gives_the_entropy_of_others(run: Run, images: Tensor) -> Fields:
    labels, confidence, entropy, *others = run(images)
    return [labels, confidence, entropy.flip(2), *others]


def gives_no_number_as_confidence(run: Run, images: Tensor) -> Fields:
    labels, confidence, *others = run(images)
    return [labels, torch.full_like(confidence, torch.nan), *others]


def mixes_slots(run: Run, images: Tensor) -> Fields:
    return [field.roll(1, 0) for field in run(images)]


def mixes_slots_of_depth(run: Run, images: Tensor) -> Fields:
    *others, depth, features = run(images)
    return [*others, depth.mean(0, keepdim=True).expand_as(depth), features]


class Remembers:
    """Gives what it answered to the first batch of that many frames."""

    def __init__(self) -> None:
        self.answers: dict[int, Fields] = {}

    def __call__(self, run: Run, images: Tensor) -> Fields:
        return self.answers.setdefault(len(images), run(images))


FAULTS: dict[str, Fault] = {
    one.__name__: one
    for one in (
        wrong_above_batch_1,
        wrong_in_one_slot_of_two_frames,
        wrong_depth_in_the_largest_batch,
        swaps_confidence_and_entropy,
        gives_the_entropy_of_others,
        gives_no_number_as_confidence,
        mixes_slots,
        mixes_slots_of_depth,
    )
} | {'remembers': Remembers()}


class Faulty(Interpreted):
    """Its programs are right alone, and wrong in some way when they run."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault

    def load(self, path: Path, request: Request, device: torch.device) -> Run:
        run = super().load(path, request, device)
        return lambda images: self.fault(run, images)


NAMED = (wrong_above_batch_1, swaps_confidence_and_entropy, mixes_slots)


@pytest.mark.parametrize('fault', NAMED)
def test_a_faulty_engine_is_refused_at_load(compiled: str, fault: Fault) -> None:
    with refused('does not answer as it did'):
        open_newest(Faulty(fault), load(compiled, device='cpu'), None)


@pytest.mark.usefixtures('not_exported_again')
@pytest.mark.parametrize('fault', NAMED)
def test_a_faulty_engine_is_refused_at_build(compiled: str, fault: Fault) -> None:
    for path in stored(compiled, 'interpreted'):
        path.unlink()
    with refused('the compiled engine is not stored'):
        build(Faulty(fault), load(compiled, device='cpu'), SIZE)
    assert not stored(compiled, 'interpreted')
    assert not list(engines_directory().glob('building-*'))


class Bundled(NamedTuple):
    """The bundled model at a small size, and what it answers."""

    loaded: Loaded
    request: Request
    reference: NetworkOutput
    run: Run


@pytest.fixture(scope='module')
def bundled() -> Bundled:
    """Let the bundled model answer the proving frames; batches are answered once."""
    loaded = load('depthforge_tiny', device='cpu')
    request = Request(128, 256, SIZE.min_batch, SIZE.max_batch)
    reference = answered_alone(loaded.answering, proving_frames(loaded, request), loaded)
    known: dict[bytes, Fields] = {}

    def run(images: Tensor) -> Fields:
        key = images.numpy().tobytes()
        if key not in known:
            known[key] = loaded.answering(images)
        return [field.clone() for field in known[key]]

    return Bundled(loaded, request, reference, run)


@pytest.mark.parametrize('fault', FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize('limits', LIMITS.values(), ids=LIMITS)
def test_no_precision_lets_a_fault_pass(bundled: Bundled, limits: Limits, fault: Fault) -> None:
    loaded, request, reference, run = bundled
    agreement = prove(lambda one: fault(run, one), loaded, request, reference, limits)
    assert not agreement.is_near, agreement


def test_an_answer_for_fewer_frames_is_refused(bundled: Bundled) -> None:
    loaded, request, reference, run = bundled
    with pytest.raises(UserError, match=r'shape \(1, 128, 256\), and \(2, 128, 256\) is'):
        prove(lambda one: [x[:1] for x in run(one)], loaded, request, reference, NEAR)


def test_a_right_engine_agrees_in_every_figure(bundled: Bundled) -> None:
    loaded, request, reference, run = bundled
    agreement = prove(run, loaded, request, reference, NEAR)
    assert agreement.mask > 0.9999
    assert max(agreement.depth, agreement.confidence, agreement.entropy) < 1e-4


@pytest.mark.parametrize(
    ('least', 'most', 'expected'),
    [
        (1, 1, [[0]]),
        (1, 2, [[0], [0, 1], [1, 0]]),
        (1, 6, [[0], [0, 1, 2], [2, 1, 0], [0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]]),
        (3, 3, [[0, 1, 2], [2, 1, 0]]),
    ],
)
def test_least_middle_and_largest_batch_run_in_both_orders(
    least: int, most: int, expected: list[list[int]]
) -> None:
    assert proving_batches(Request(56, 98, least, most)) == expected


@pytest.mark.parametrize('count', [1, 6, 50, 100])
def test_every_slot_gets_another_frame(compiled: str, count: int) -> None:
    frames = proving_frames(load(compiled, device='cpu'), Request(56, 98, 1, count))
    assert frames.shape == (count, 56, 98, 3)
    assert len({frame.tobytes() for frame in frames}) == count


def test_answers_that_are_alike_prove_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DEPTHFORGE_ENGINES', str(tmp_path / 'engines'))
    mini_checkpoint(tmp_path / 'mini.safetensors', SHORT)
    same = 'depthforge_ros.engine.build.proving_frames'
    monkeypatch.setattr(same, lambda loaded, request: np.zeros((3, 56, 98, 3), np.uint8))
    with pytest.raises(UserError, match='wrong slots of a batch would pass'):
        build(Interpreted(), load(str(tmp_path / 'mini.safetensors'), device='cpu'), SIZE)


def test_an_engine_proven_for_another_batch_is_refused(compiled: str) -> None:
    (path,) = stored(compiled, 'interpreted')
    request = {**dataclasses.asdict(SIZE), 'max_batch': 6}
    rewritten(path, request=request)
    with pytest.raises(UserError, match=r'b1-3-fp32.* and is .*b1-6-fp32'):
        open_newest(Interpreted(), load(compiled, device='cpu'), None)
    rewritten(path, request=dataclasses.asdict(SIZE))
    found = read(path)
    reference = read_reference(found.proof, SIZE)
    write_reference(found.proof, in_slots(reference, [0]))
    sha256 = hashlib.sha256(found.program.read_bytes() + found.proof.read_bytes()).hexdigest()
    rewritten(path, sha256=sha256)
    with pytest.raises(UserError, match='1 x 56 x 98 pixels, and this one is for 3 x 56 x 98'):
        open_newest(Interpreted(), load(compiled, device='cpu'), None)
