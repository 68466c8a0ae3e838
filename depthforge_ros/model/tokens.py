# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Depth-aware learnable tokens (DepthForge, arXiv 2504.12753, section 3).

Shapes: B batch, N patches, C width, L blocks, M tokens, R rank, Q query width.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from depthforge_ros.model.config import TokenConfig, VitConfig
import torch
from torch import nn, Tensor


class Folded(NamedTuple):
    """What is constant once the tokens are trained."""

    tokens_LMC: Tensor
    values_LMC: Tensor
    """W_d W_t(T[1:]) per block; the sink token has a row of zeros."""


class DepthAwareTokens(nn.Module):
    """Refines the visual features of every block and makes the head's queries."""

    def __init__(self, config: TokenConfig, encoder: VitConfig, query_width: int) -> None:
        super().__init__()
        self.config = config
        width, depth = encoder.width, encoder.depth
        self.a = nn.Parameter(torch.empty(depth, config.count, config.rank))
        self.b = nn.Parameter(torch.empty(depth, config.rank, width))
        self.to_feature = nn.Linear(width, width)
        """W_t."""
        self.to_delta = nn.Linear(width, width)
        """W_d."""
        self.scale = nn.Parameter(torch.tensor(config.scale_init))
        """s."""
        self.to_query = nn.Linear(width, query_width)
        """W_q."""
        self.merge = nn.Linear(3 * query_width, query_width)
        self._reset(encoder)

    def _reset(self, encoder: VitConfig) -> None:
        # Rein's initialisation, which DepthForge inherits.
        fan = 3 * encoder.patch**2 + math.sqrt(encoder.width * self.config.rank)
        bound = math.sqrt(6.0 / fan)
        nn.init.uniform_(self.a, -bound, bound)
        nn.init.uniform_(self.b, -bound, bound)
        nn.init.kaiming_uniform_(self.to_feature.weight, a=math.sqrt(5))
        nn.init.kaiming_uniform_(self.to_delta.weight, a=math.sqrt(5))

    def tokens(self) -> Tensor:
        """Multiply out T (L, M, C)."""
        return self.a @ self.b

    def fold(self) -> Folded:
        """Compute what all frames and blocks share; gradients flow through it."""
        tokens = self.tokens()
        values = self.to_feature(tokens[:, 1:]) @ self.to_delta.weight.T
        return Folded(tokens, torch.cat((torch.zeros_like(values[:, :1]), values), 1))

    def queries(self) -> Tensor:
        """Make the head's queries (M, Q) from max, mean and last over the blocks."""
        projected = self.to_query(self.tokens())
        summary = torch.cat((projected.amax(0), projected.mean(0), projected[-1]), -1)
        out: Tensor = self.merge(summary)
        return out

    def forward(self, visual_BNC: Tensor, depth_BNC: Tensor, block: int, folded: Folded) -> Tensor:
        """Refine the patches (no class token) that left `block`."""
        weights_BNM = self.attention(visual_BNC, depth_BNC, folded.tokens_LMC[block])
        # delta = W_d(A W_t(T) + f_v), with W_d taken into the constant factor.
        delta = weights_BNM @ folded.values_LMC[block] + self.to_delta(visual_BNC)
        return visual_BNC + self.scale * delta

    def attention(self, visual_BNC: Tensor, depth_BNC: Tensor, tokens_MC: Tensor) -> Tensor:
        """Attention of the patches over the tokens (B, N, M); index 0 is the sink."""
        scale = tokens_MC.shape[-1] ** -0.5
        if self.config.attention == 'visual':
            return ((visual_BNC @ tokens_MC.T) * scale).softmax(-1)
        if self.config.attention == 'joint':
            return (((visual_BNC + depth_BNC) @ tokens_MC.T) * scale).softmax(-1)
        visual = ((visual_BNC @ tokens_MC.T) * scale).softmax(-1)
        depth = ((depth_BNC @ tokens_MC.T) * scale).softmax(-1)
        return visual + self.config.depth_weight * depth
