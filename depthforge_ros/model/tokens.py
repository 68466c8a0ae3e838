# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Depth-aware learnable tokens (DepthForge, arXiv 2504.12753, section 3).

Shapes: B batch, N patches, C width, L blocks, M tokens, R rank, Q query width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import math
from typing import NamedTuple

from depthforge_ros.model.config import TokenConfig, VitConfig
import torch
from torch import nn, Tensor
from torch.nn import functional


class Folded(NamedTuple):
    """What is constant once the tokens are trained; see `refine`."""

    keys_LCM: Tensor
    """T^T / sqrt(C) per block, or with `cosine` of tokens of that length."""
    values_LMC: Tensor
    """s (W_d W_t(T[1:]) + b) per block; b shares out the bias of W_d, since the attention over the
    tokens sums to a known total. The sink token has only the bias."""
    mix: Callable[[Tensor], Tensor]
    """s W_d, without its bias: (..., C) to (..., C)."""


def refine(
    config: TokenConfig, visual_BNC: Tensor, depth_BNC: Tensor, block: int, folded: Folded
) -> Tensor:
    """Refine the patches (no class token) that left `block`: f_v + s W_d(A W_t(T[1:]) + f_v)."""
    index = block - config.first_block
    keys_CM, values_MC = folded.keys_LCM[index], folded.values_LMC[index]
    asked_BNC = comparable(config, visual_BNC)
    if config.attention == 'visual':
        weights_BNM = (asked_BNC @ keys_CM).softmax(-1)
    elif config.attention == 'joint':
        weights_BNM = ((asked_BNC + comparable(config, depth_BNC)) @ keys_CM).softmax(-1)
    else:
        weights_BNM = (asked_BNC @ keys_CM).softmax(-1)
        by_depth_BNM = (comparable(config, depth_BNC) @ keys_CM).softmax(-1)
        weights_BNM = weights_BNM + config.depth_weight * by_depth_BNM
    return visual_BNC + folded.mix(visual_BNC) + weights_BNM @ values_MC


def comparable(config: TokenConfig, x_BNC: Tensor) -> Tensor:
    """Features as the attention compares them with the tokens."""
    return functional.normalize(x_BNC, dim=-1) if config.cosine else x_BNC


class DepthAwareTokens(nn.Module):
    """Refines the visual features from the first block on, and makes the head's queries."""

    def __init__(self, config: TokenConfig, encoder: VitConfig, query_width: int | None) -> None:
        """Make tokens; without a `query_width` no queries are made of them."""
        super().__init__()
        self.config = config
        width, blocks = encoder.width, encoder.depth - config.first_block
        self.a = nn.Parameter(torch.empty(blocks, config.count, config.rank))
        self.b = nn.Parameter(torch.empty(blocks, config.rank, width))
        self.to_feature = nn.Linear(width, width)
        """W_t."""
        self.to_delta = nn.Linear(width, width)
        """W_d."""
        self.scale = nn.Parameter(torch.tensor(config.scale_init))
        """s."""
        self.has_queries = query_width is not None
        if query_width is not None:
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
        """Compute what all frames share; gradients flow through it."""
        tokens = self.tokens()
        values = self.to_feature(tokens[:, 1:]) @ self.to_delta.weight.T
        values = torch.cat((torch.zeros_like(values[:, :1]), values), 1)
        total = 1.0 + (self.config.depth_weight if self.config.attention == 'separate' else 0.0)
        scale = self.config.cosine or tokens.shape[-1] ** -0.5
        return Folded(
            keys_LCM=comparable(self.config, tokens).transpose(1, 2) * scale,
            values_LMC=self.scale * (values + self.to_delta.bias / total),
            mix=partial(functional.linear, weight=self.scale * self.to_delta.weight),
        )

    def queries(self) -> Tensor:
        """Make the head's queries, (M, Q), from max, mean and last over the blocks."""
        projected = self.to_query(self.tokens())
        summary = torch.cat((projected.amax(0), projected.mean(0), projected[-1]), -1)
        out: Tensor = self.merge(summary)
        return out


class FoldedTokens(nn.Module):
    """Trained tokens as constants, computed once instead of for every frame."""

    keys_LCM: Tensor
    values_LMC: Tensor
    queries_MQ: Tensor

    @torch.no_grad()
    def __init__(self, tokens: DepthAwareTokens) -> None:
        super().__init__()
        folded = tokens.fold()
        self.register_buffer('keys_LCM', folded.keys_LCM.contiguous())
        self.register_buffer('values_LMC', folded.values_LMC)
        width = tokens.to_delta.in_features
        self.mix = nn.Linear(width, width, bias=False, device='meta')
        self.mix.weight = nn.Parameter(tokens.scale * tokens.to_delta.weight, requires_grad=False)
        if tokens.has_queries:
            self.register_buffer('queries_MQ', tokens.queries())

    def fold(self) -> Folded:
        """Return the stored constants."""
        return Folded(self.keys_LCM, self.values_LMC, self.mix)

    def queries(self) -> Tensor:
        """Return the stored queries, (M, Q)."""
        return self.queries_MQ
