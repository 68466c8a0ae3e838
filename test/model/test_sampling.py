# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Both forms of the deformable sampling are the same, in value and in gradient."""

from __future__ import annotations

from depthforge_ros.model.deformable import reference_points
from depthforge_ros.model.sampling import LEVELS, sample_maps, sample_rows
from hypothesis import given, settings
from hypothesis import strategies as st
import torch


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    batch=st.integers(1, 3),
    heads=st.integers(1, 3),
    points=st.integers(1, 4),
    reach=st.sampled_from([0.3, 3.0, 40.0]),
)
def test_rows_equal_maps(
    height: int, width: int, batch: int, heads: int, points: int, reach: float
) -> None:
    sizes = [(height * 2**level, width * 2**level) for level in range(LEVELS)]
    positions = sum(rows * columns for rows, columns in sizes)
    value = torch.randn(batch, positions, heads, 5, dtype=torch.float32)
    offsets = torch.randn(batch, positions, heads, LEVELS, points, 2) * reach
    weights = torch.rand(batch, positions, heads, LEVELS, points)
    inputs = (value, offsets, weights)
    where = reference_points(sizes, value.device)
    answers = []
    for sample in (sample_maps, sample_rows):
        own = [x.clone().requires_grad_() for x in inputs]
        mixed = sample(*own, where, sizes)
        mixed.square().sum().backward()
        answers.append((mixed, *(x.grad for x in own)))
    for maps, rows in zip(*answers, strict=True):
        assert maps is not None
        assert rows is not None
        scale = max(1.0, float(maps.detach().abs().max()))
        assert float((maps - rows).detach().abs().quantile(0.999)) < 1e-4 * scale
