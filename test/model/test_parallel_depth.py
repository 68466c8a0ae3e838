# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The streams side by side on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
import threading
import time

from depthforge_ros.model import network as network_module
from depthforge_ros.model.dpt import DepthMaps
from depthforge_ros.model.streams import in_parallel
import pytest
from support.networks import MINI, mini_network
import torch
from torch import Tensor

MAPS = DepthMaps(torch.zeros(1, 4, 4), torch.zeros(1, 2, 4, 4))


@pytest.fixture
def threads() -> Iterator[int]:
    """Give PyTorch an odd number of threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def test_both_have_their_share_of_the_threads_and_all_come_back(threads: int) -> None:
    seen = {}
    read = threading.Event()

    def make() -> Iterator[Tensor | DepthMaps]:
        seen['depth'] = torch.get_num_threads()
        yield torch.zeros(1)
        assert read.wait(10.0)
        yield MAPS

    with in_parallel(make, 1) as depth:
        assert depth.block(0) == 0
        seen['reader'] = torch.get_num_threads()
        read.set()
        assert depth.maps() is MAPS
        seen['alone'] = torch.get_num_threads()
    assert seen == {'depth': 1, 'reader': 2, 'alone': threads}
    assert torch.get_num_threads() == threads


def test_who_reads_nothing_more_takes_the_cores_when_asked(threads: int) -> None:
    with in_parallel(lambda: iter((MAPS,)), 0) as depth:
        assert torch.get_num_threads() == 2
        deadline = time.monotonic() + 10.0
        while torch.get_num_threads() < threads and time.monotonic() < deadline:
            depth.yield_threads()
        assert torch.get_num_threads() == threads


def test_an_error_reaches_the_reader(threads: int) -> None:
    def make() -> Iterator[Tensor | DepthMaps]:
        yield torch.zeros(1)
        raise MemoryError('full')

    with in_parallel(make, 3) as depth, pytest.raises(MemoryError, match='full'):
        _ = depth.block(0), depth.block(1)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize('is_inference', [True, False])
def test_streams_side_by_side_answer_as_in_turn(
    is_inference: bool, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    del threads
    network = mini_network(MINI)
    image = torch.randint(0, 256, (2, 56, 98, 3), dtype=torch.uint8)
    makers = []
    real = network_module.in_parallel
    monkeypatch.setattr(
        network_module,
        'in_parallel',
        lambda make, count: makers.append(make) or real(make, count),
    )
    with torch.inference_mode(is_inference), torch.no_grad():
        apart = network(image)
        torch.set_num_threads(1)
        in_turn = network(image)
    assert len(makers) == 1
    for ours, expected in zip(apart, in_turn, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
