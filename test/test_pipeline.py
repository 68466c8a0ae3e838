# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the pipeline does when an engine has no memory, or no device any more."""

from __future__ import annotations

import logging

from depthforge_ros.engine import load_engine, NetworkOutput
from depthforge_ros.engine.null import NullEngine
from depthforge_ros.errors import UserError
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.preprocess import Preprocess
import numpy as np
import numpy.typing as npt
import pytest
import torch


class Full(NullEngine):
    """Has memory for a few frames at once."""

    room = 2

    def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        if len(images) > self.room:
            self.fail()
        return super().__call__(images)

    def fail(self) -> None:
        raise torch.OutOfMemoryError


class FullCpu(Full):
    """Fails as PyTorch does on CPUs."""

    def fail(self) -> None:
        torch.empty(1 << 50)


def pipeline(room: int, kind: type[Full] = Full) -> Pipeline:
    engine = kind('null', Preprocess(patch=16, short_side=32))
    engine.room = room
    return Pipeline(engine)


@pytest.mark.parametrize('kind', [Full, FullCpu])
def test_a_batch_without_memory_is_halved_once_and_for_good(
    kind: type[Full], caplog: pytest.LogCaptureFixture
) -> None:
    full = pipeline(room=2, kind=kind)
    frames = np.zeros((3, 32, 64, 3), np.uint8)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert full.infer(frames).labels.shape == (3, 32, 64)
    assert full.max_batch == 2
    assert [record.getMessage() for record in caplog.records] == [
        'out of memory on a batch of 3 frames; from now on at most 2 at once'
    ]


@pytest.mark.parametrize(('room', 'count'), [(0, 1), (1, 4)])
def test_what_does_not_fit_then_is_refused(room: int, count: int) -> None:
    with pytest.raises(UserError, match='short_side') as caught:
        pipeline(room).infer(np.zeros((count, 32, 64, 3), np.uint8))
    assert caught.value.reason == 'out_of_memory'


def test_other_failures_are_not_taken_for_a_lack_of_memory() -> None:
    class Broken(NullEngine):
        def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
            raise RuntimeError('wrong shape')

    broken = Pipeline(Broken('null', Preprocess(patch=16, short_side=32)))
    with pytest.raises(RuntimeError, match='wrong shape'):
        broken.infer(np.zeros((4, 32, 64, 3), np.uint8))
    assert broken.max_batch is None


def test_parts_are_joined_in_order() -> None:
    whole = Pipeline(load_engine('depthforge_tiny', engine='eager', device='cpu'))
    parts = Pipeline(whole.engine)
    parts.max_batch = 2
    frames = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    for name, plane in vars(whole.infer(frames)).items():
        np.testing.assert_allclose(getattr(parts.infer(frames), name), plane, atol=1e-4)


def test_a_device_that_says_in_words_that_it_is_full_gets_smaller_batches() -> None:
    class Full(NullEngine):
        def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
            if len(images) > 3:
                raise torch.AcceleratorError('CUDA error: out of memory\nmore')
            return super().__call__(images)

    full = Pipeline(Full('null', Preprocess(patch=16, short_side=32)))
    assert len(full.infer(np.zeros((6, 32, 64, 3), np.uint8)).labels) == 6
    assert full.max_batch == 3


def test_a_device_that_is_gone_is_said() -> None:
    class Gone(NullEngine):
        def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
            raise torch.AcceleratorError('CUDA error: unspecified launch failure\nmore')

    gone = Pipeline(Gone('null', Preprocess(patch=16, short_side=32)))
    with pytest.raises(UserError, match='launch failure') as caught:
        gone.infer(np.zeros((1, 32, 64, 3), np.uint8))
    assert caught.value.reason == 'device_lost'
    assert '\n' not in str(caught.value)
