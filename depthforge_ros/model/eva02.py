# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The EVA02 vision transformer (arXiv 2303.11331), with timm's parameter names.

Rotary positions, SwiGLU with a norm inside (sub-LN), no bias on the keys, no LayerScale.

Shapes: B batch, C width, h x w patch grid, N = 1 + h w tokens with the class token first,
P pairs of channels of a head that turn together.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from depthforge_ros.model.attention import attend
from depthforge_ros.model.config import Eva02Config
from depthforge_ros.model.patch import PatchEmbed, resize_positions
import torch
from torch import nn, Tensor
from torch.nn import functional

ROPE_BASE = 10000.0


class Rotation(NamedTuple):
    """Angle of every token and pair of channels; the class token does not turn."""

    cos_NP: Tensor
    sin_NP: Tensor

    def turn(self, x_BhND: Tensor) -> Tensor:
        """Turn neighbouring channels (2p, 2p + 1) of every head, in full precision."""
        even, odd = x_BhND.unflatten(-1, (-1, 2)).unbind(-1)
        turned = (even * self.cos_NP - odd * self.sin_NP, odd * self.cos_NP + even * self.sin_NP)
        return torch.stack(turned, -1).flatten(-2).to(x_BhND.dtype)


def rotation(
    grid: tuple[int, int], *, pairs: int, rope_grid: int, device: torch.device
) -> Rotation:
    """
    Make the rotation of a class token and an h x w grid; half of the pairs are for the rows.

    Row i lies at i / h * rope_grid and column j at j / w * rope_grid: EVA02's interpolation, by
    which every grid covers the positions of the pre-training (`pt_hw_seq_len`).
    """
    bands = torch.arange(pairs // 2, device=device, dtype=torch.float32) / (pairs // 2)
    bands = ROPE_BASE**-bands
    rows, columns = (
        torch.arange(cells, device=device, dtype=torch.float32) / cells * rope_grid
        for cells in grid
    )
    row_angles = (rows[:, None] * bands)[:, None].expand(-1, grid[1], -1)
    column_angles = (columns[:, None] * bands)[None].expand(grid[0], -1, -1)
    angles = torch.cat((row_angles, column_angles), -1).flatten(0, 1)
    angles = functional.pad(angles, (0, 0, 1, 0))
    return Rotation(angles.cos(), angles.sin())


class Attention(nn.Module):
    """Multi-head self-attention with rotary positions."""

    def __init__(self, config: Eva02Config) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, x_BNC: Tensor, rope: Rotation) -> Tensor:
        query, key, value = (
            project(x_BNC).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = attend(rope.turn(query), rope.turn(key), value)
        out: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return out


class SwiGlu(nn.Module):
    """Gated feed-forward layer with a norm before its last projection."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1_g = nn.Linear(width, hidden)
        self.fc1_x = nn.Linear(width, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-6)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x_BNC: Tensor) -> Tensor:
        gated = functional.silu(self.fc1_g(x_BNC)) * self.fc1_x(x_BNC)
        out: Tensor = self.fc2(self.norm(gated))
        return out


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, config: Eva02Config) -> None:
        super().__init__()
        width = config.width
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(config)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = SwiGlu(width, int(width * config.mlp_ratio))

    def forward(self, x_BNC: Tensor, rope: Rotation) -> Tensor:
        x_BNC = x_BNC + self.attn(self.norm1(x_BNC), rope)
        out: Tensor = x_BNC + self.mlp(self.norm2(x_BNC))
        return out


class Eva02(nn.Module):
    """Embedding and blocks; the caller runs the blocks, since tokens are refined between them."""

    def __init__(self, config: Eva02Config) -> None:
        super().__init__()
        self.config = config
        self.prefix = 1
        """Tokens before the patches."""
        self.patch_embed = PatchEmbed(config)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.position_grid**2, config.width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.trunc_normal_(self.cls_token, std=0.02)

    def embed(self, image_B3HW: Tensor) -> Tensor:
        """Turn a normalised image into tokens (B, 1 + h w, C)."""
        grid = image_B3HW.shape[2] // self.config.patch, image_B3HW.shape[3] // self.config.patch
        patches = self.patch_embed(image_B3HW)
        cls_token = self.cls_token.expand(patches.shape[0], -1, -1)
        return torch.cat((cls_token, patches), 1) + self.position_embedding(grid)

    def position_embedding(self, grid: tuple[int, int]) -> Tensor:
        """
        Resize the stored position embedding to a patch grid (h, w).

        Bicubic, not antialiased, as EVA's own scripts and those of Rein do when they prepare
        weights for one size. timm antialiases, which is another kernel even where it enlarges.
        """
        patches = resize_positions(self.pos_embed[:, 1:], grid)
        return torch.cat((self.pos_embed[:, :1], patches), 1)

    def blocks_for(self, grid: tuple[int, int]) -> list[Callable[[Tensor], Tensor]]:
        """Blocks as functions of the tokens of an h x w grid alone."""
        config = self.config
        rope = rotation(
            grid,
            pairs=config.width // config.heads // 2,
            rope_grid=config.rope_grid,
            device=self.cls_token.device,
        )
        return [partial(block, rope=rope) for block in self.blocks]
