# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Attention between two sets of vectors.

Shapes: B batch, H heads, M queries, S positions, D width, d width of a head.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor
from torch.nn import functional


def attend(
    query_BHMd: Tensor, key_BHSd: Tensor, value_BHSd: Tensor, mask: Tensor | None = None
) -> Tensor:
    """
    Scaled dot-product attention (B, H, M, d), where `mask` (B, 1, M, S) is true.

    In bfloat16 on CPUs as two plain products, which take two thirds of the time of
    PyTorch's fused form there.
    """
    # Named also where it is PyTorch's own: Torch-TensorRT cannot find it out for constant queries.
    scale = query_BHMd.shape[-1] ** -0.5
    if not _in_products(query_BHMd):
        return functional.scaled_dot_product_attention(
            query_BHMd, key_BHSd, value_BHSd, attn_mask=mask, scale=scale
        )
    scores = (query_BHMd * scale) @ key_BHSd.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(-1) @ value_BHSd


def _in_products(query: Tensor) -> bool:
    if query.requires_grad or torch.compiler.is_exporting():
        return False
    return query.device.type == 'cpu' and query.dtype == torch.bfloat16


class CrossAttention(nn.Module):
    """Multi-head attention with separate projections."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        for layer in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(layer.weight)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Attend where `mask` (B, 1, M, S) is true."""
        query, key, value = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project, x in ((self.query, query), (self.key, key), (self.value, value))
        )
        mixed = attend(query, key, value, mask)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out
