# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Patches of another size, and positions on another grid, than an encoder was trained with.

Shapes: C width, p patch, h x w patch grid, S side of the stored position grid.
"""

from __future__ import annotations

from depthforge_ros.model.config import Eva02Config, VitConfig
import torch
from torch import nn, Tensor
from torch.nn import functional


class PatchEmbed(nn.Module):
    """Non-overlapping patches to tokens."""

    def __init__(self, config: VitConfig | Eva02Config) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, config.width, config.patch, stride=config.patch)

    def forward(self, image_B3HW: Tensor) -> Tensor:
        out: Tensor = self.proj(image_B3HW).flatten(2).transpose(1, 2)
        return out


def to_map(patches_BNC: Tensor, grid: tuple[int, int]) -> Tensor:
    """Lay patches (B, h w, C) out as a map (B, C, h, w)."""
    return patches_BNC.transpose(1, 2).unflatten(2, grid).contiguous()


def regrid(patches_BNC: Tensor, grid: tuple[int, int], target: tuple[int, int]) -> Tensor:
    """Resize patches (B, h w, C) bilinearly to another grid, which is mostly the same."""
    if grid == target:
        return patches_BNC
    resized = functional.interpolate(
        to_map(patches_BNC, grid), size=target, mode='bilinear', align_corners=False
    )
    return resized.flatten(2).transpose(1, 2)


def resize_patch_kernel(kernel_C3pp: Tensor, patch: int) -> Tensor:
    """
    Turn the kernel of a patch embedding into one for another patch size, (C, 3, patch, patch).

    FlexiViT's pseudo-inverse resize (arXiv 2212.08013, section 3.4): of all kernels the one whose
    tokens on bilinearly resized patches differ least from the stored kernel's tokens on the
    patches as they were; for a larger patch they are equal. Stretching the kernel like an image
    would instead scale the tokens by the ratio of the patch areas. The resize is separable, and
    so is its pseudo-inverse.
    """
    stored = kernel_C3pp.shape[-1]
    if patch == stored:
        return kernel_C3pp
    rows = torch.eye(stored, dtype=torch.float64, device=kernel_C3pp.device)
    # (stored, patch): row i is what a line with a one at i becomes.
    resized = functional.interpolate(rows[:, None], size=patch, mode='linear')[:, 0]
    inverse = torch.linalg.pinv(resized)
    return (inverse @ kernel_C3pp.double() @ inverse.T).to(kernel_C3pp.dtype)


def resize_positions(
    stored_1NC: Tensor, grid: tuple[int, int], *, offset: float = 0.0, antialias: bool = False
) -> Tensor:
    """
    Resize a square position embedding (1, S S, C), no class token, to a grid: (1, h w, C).

    Bicubic and in full precision. With `offset` the samples lie as the scale (h + offset) / S
    has them, not as the sizes say.
    """
    side = round(stored_1NC.shape[1] ** 0.5)
    if grid == (side, side):
        return stored_1NC
    image = stored_1NC.float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    if offset:
        scale = tuple((cells + offset) / side for cells in grid)
        resized = functional.interpolate(
            image, scale_factor=scale, mode='bicubic', antialias=antialias
        )
    else:
        resized = functional.interpolate(image, size=grid, mode='bicubic', antialias=antialias)
    return resized.flatten(2).transpose(1, 2).to(stored_1NC.dtype)
