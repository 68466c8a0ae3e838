# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The DINOv2 vision transformer, with the parameter names of the official code.

Shapes: B batch, C width, R registers, h x w patch grid, N = 1 + R + h w tokens: the class token,
the registers, the patches.
"""

from __future__ import annotations

from collections.abc import Callable

from depthforge_ros.model.attention import attend
from depthforge_ros.model.config import VitConfig
from depthforge_ros.model.patch import PatchEmbed, resize_positions
from depthforge_ros.model.stem import ConvStem
import torch
from torch import nn, Tensor
from torch.nn import functional

POSITION_OFFSET = 0.1
"""DINOv2 without registers adds it to the grid before it computes the scale of the position
embedding."""


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x_BNC: Tensor) -> Tensor:
        batch, tokens, width = x_BNC.shape
        qkv = self.qkv(x_BNC).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = attend(query, key, value)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return out


class LayerScale(nn.Module):
    """Learned gain per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x_BNC: Tensor) -> Tensor:
        return x_BNC * self.gamma


class Mlp(nn.Module):
    """Two layers with GELU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x_BNC: Tensor) -> Tensor:
        out: Tensor = self.fc2(functional.gelu(self.fc1(x_BNC)))
        return out


class Block(nn.Module):
    """Pre-norm transformer block with LayerScale."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        width = config.width
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, config.heads)
        self.ls1 = LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, int(width * config.mlp_ratio))
        self.ls2 = LayerScale(width)

    def forward(self, x_BNC: Tensor) -> Tensor:
        x_BNC = x_BNC + self.ls1(self.attn(self.norm1(x_BNC)))
        out: Tensor = x_BNC + self.ls2(self.mlp(self.norm2(x_BNC)))
        return out


class VisionTransformer(nn.Module):
    """Embedding and blocks; the caller runs the blocks, since tokens are refined between them."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.config = config
        self.prefix = 1 + config.registers
        """Tokens before the patches."""
        self.patch_embed = ConvStem(config) if config.stem else PatchEmbed(config)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.position_grid**2, config.width))
        if config.registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, config.registers, config.width))
            nn.init.normal_(self.register_tokens, std=1e-6)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.normal_(self.cls_token, std=1e-6)

    def embed(self, image_B3HW: Tensor) -> Tensor:
        """Turn a normalised image into tokens (B, 1 + R + h w, C); registers have no position."""
        return self.embed_with_stem(image_B3HW)[0]

    def embed_with_stem(self, image_B3HW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Do the same, and return the stem's maps (B, c, h, w) at strides 4 and 8, if any."""
        if not self.config.stem:
            return self._positioned(self.patch_embed(image_B3HW), image_B3HW), ()
        patches, maps = self.patch_embed(image_B3HW)
        return self._positioned(patches, image_B3HW), maps

    def _positioned(self, patches: Tensor, image_B3HW: Tensor) -> Tensor:
        grid = image_B3HW.shape[2] // self.config.patch, image_B3HW.shape[3] // self.config.patch
        cls_token = self.cls_token.expand(patches.shape[0], -1, -1)
        x_BNC = torch.cat((cls_token, patches), 1) + self.position_embedding(grid)
        if not self.config.registers:
            return x_BNC
        registers = self.register_tokens.expand(patches.shape[0], -1, -1)
        return torch.cat((x_BNC[:, :1], registers, x_BNC[:, 1:]), 1)

    def position_embedding(self, grid: tuple[int, int]) -> Tensor:
        """
        Resize the stored position embedding to a patch grid (h, w), as DINOv2 does.

        Bicubic. Without registers not antialiased, with the scale factor (h + 0.1) / side: the
        official code's guard against rounding, which also shifts the samples slightly. The
        official models with registers dropped the offset and antialias.
        """
        registers = self.config.registers
        patches = resize_positions(
            self.pos_embed[:, 1:],
            grid,
            offset=0.0 if registers else POSITION_OFFSET,
            antialias=bool(registers),
        )
        return torch.cat((self.pos_embed[:, :1], patches), 1)

    def blocks_for(self, grid: tuple[int, int]) -> list[Callable[[Tensor], Tensor]]:
        """Blocks as functions of the tokens of an h x w grid alone."""
        return list(self.blocks)
