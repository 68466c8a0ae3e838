# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The dense head: a classifier of every pixel of the refined map at stride 4.

Shapes: B batch, D head width, K classes, h x w patch grid.
"""

from __future__ import annotations

from typing import NamedTuple

from depthforge_ros.model.config import HeadConfig
from depthforge_ros.model.refinement import Refined, resize
from torch import nn, Tensor
from torch.nn import functional

GROUPS = 8
"""Of the norms, and of the convolutions at stride 4."""


class DenseOutput(NamedTuple):
    """What the head says at a quarter of the input's size."""

    logits_BKhw: Tensor

    def class_scores(self) -> Tensor:
        """Return the class probabilities (B, K, h, w); the caller resizes."""
        return self.logits_BKhw.float().softmax(1)


class ResidualConv(nn.Module):
    """A normalised 3x3 convolution beside the identity."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=groups)
        self.norm = nn.GroupNorm(GROUPS, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + functional.gelu(self.norm(self.conv(x)))


class DenseHead(nn.Module):
    """Convolutions at the patch grid, then with depth at stride 4, then a classifier."""

    def __init__(self, config: HeadConfig, width: int, classes: int) -> None:
        super().__init__()
        head, layers = config.width, config.dense_layers
        self.project = nn.Conv2d(width, head, 1)
        self.norm = nn.GroupNorm(GROUPS, head)
        self.coarse = nn.Sequential(*(ResidualConv(head, 1) for _ in range(layers)))
        self.fine = nn.Sequential(*(ResidualConv(head, GROUPS) for _ in range(layers)))
        self.classify = nn.Conv2d(head, classes, 1)

    def forward(self, refined: Refined) -> DenseOutput:
        finest = refined.levels[0]
        x = self.coarse(functional.gelu(self.norm(self.project(finest.map_BChw))))
        x = resize(x, finest.size)
        if refined.geometry_BDhw is not None:
            x = x + resize(refined.geometry_BDhw, finest.size)
        return DenseOutput(self.classify(self.fine(functional.gelu(x))))
