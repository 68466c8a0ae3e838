# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Mask2Former's pixel decoder: multi-scale deformable attention over three levels, and one FPN step.

Shapes: B batch, D head width, S positions of the three levels together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math

from depthforge_ros.model.config import HeadConfig
from depthforge_ros.model.refinement import Refined, resize
from depthforge_ros.model.sampling import LEVELS, sample_maps, sample_rows
import torch
from torch import nn, Tensor
from torch.nn import functional

GROUPS = 32


def sine_position(size: tuple[int, int], width: int, like: Tensor) -> Tensor:
    """Sine position embedding (1, width, h, w), normalised to 2 pi, as DETR defines it."""
    half = width // 2
    steps = torch.arange(half, device=like.device, dtype=torch.float32)
    periods = 10000.0 ** (2.0 * torch.floor(steps / 2.0) / half)
    planes = []
    for cells in size:
        ramp = torch.arange(1, cells + 1, device=like.device, dtype=torch.float32)
        phase = (ramp * (2.0 * math.pi / (cells + 1e-6)))[:, None] / periods
        planes.append(torch.stack((phase[:, 0::2].sin(), phase[:, 1::2].cos()), 2).flatten(1))
    rows = planes[0].T[:, :, None].expand(-1, -1, size[1])
    columns = planes[1].T[:, None, :].expand(-1, size[0], -1)
    return torch.cat((rows, columns), 0)[None].to(like.dtype)


def reference_points(sizes: Sequence[tuple[int, int]], device: torch.device) -> Tensor:
    """Centres (x, y) in [0, 1] of every position of every level, (S, 2), float32."""
    points = []
    for height, width in sizes:
        y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) / height
        x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) / width
        grid_y, grid_x = torch.meshgrid(y, x, indexing='ij')
        points.append(torch.stack((grid_x.flatten(), grid_y.flatten()), -1))
    return torch.cat(points, 0)


class DeformableAttention(nn.Module):
    """Every position samples a few learned points on every level."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.heads, self.points = config.attention_heads, config.points
        samples = self.heads * LEVELS * self.points
        self.sampling_offsets = nn.Linear(config.width, 2 * samples)
        self.attention_weights = nn.Linear(config.width, samples)
        self.value_proj = nn.Linear(config.width, config.width)
        self.output_proj = nn.Linear(config.width, config.width)
        self._reset()

    def _reset(self) -> None:
        # Deformable DETR: heads look in eight directions, points lie further and further out.
        angles = torch.arange(self.heads) * (2.0 * math.pi / self.heads)
        directions = torch.stack((angles.cos(), angles.sin()), -1)
        directions = directions / directions.abs().amax(-1, keepdim=True)
        steps = torch.arange(1, self.points + 1)
        offsets = directions[:, None, None, :] * steps[None, None, :, None]
        nn.init.zeros_(self.sampling_offsets.weight)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(offsets.expand(-1, LEVELS, -1, -1).flatten())
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        x_BSD: Tensor,
        position_SD: Tensor,
        points_S2: Tensor,
        sizes: Sequence[tuple[int, int]],
    ) -> Tensor:
        query = x_BSD + position_SD
        shape = (self.heads, LEVELS, self.points)
        offsets_BSHLP2 = self.sampling_offsets(query).unflatten(-1, (*shape, 2))
        weights_BSHLP = self.attention_weights(query).unflatten(-1, (self.heads, -1)).softmax(-1)
        weights_BSHLP = weights_BSHLP.unflatten(-1, shape[1:])
        value_BSHd = self.value_proj(x_BSD).unflatten(-1, (self.heads, -1))
        sample = sample_rows if _in_rows(value_BSHd) else sample_maps
        mixed_BSHd = sample(value_BSHd, offsets_BSHLP2, weights_BSHLP, points_S2, sizes)
        out: Tensor = self.output_proj(mixed_BSHd.flatten(2))
        return out


def _in_rows(value: Tensor) -> bool:
    """Say whether rows are faster: on CPUs, but not backward; exports keep to common operators."""
    if value.requires_grad or torch.compiler.is_exporting():
        return False
    return value.device.type == 'cpu'


def nothing() -> None:
    """Do nothing between layers."""


class PixelLayer(nn.Module):
    """Deformable self-attention and a feed-forward net, post-norm."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.attention = DeformableAttention(config)
        self.norm1 = nn.LayerNorm(config.width)
        self.fc1 = nn.Linear(config.width, config.pixel_ffn)
        self.fc2 = nn.Linear(config.pixel_ffn, config.width)
        self.norm2 = nn.LayerNorm(config.width)

    def forward(
        self,
        x_BSD: Tensor,
        position_SD: Tensor,
        points_S2: Tensor,
        sizes: Sequence[tuple[int, int]],
    ) -> Tensor:
        x_BSD = self.norm1(x_BSD + self.attention(x_BSD, position_SD, points_S2, sizes))
        out: Tensor = self.norm2(x_BSD + self.fc2(self.fc1(x_BSD).relu_()))
        return out


class PixelDecoder(nn.Module):
    """A pyramid to mask features at stride 4 and three refined levels."""

    def __init__(self, config: HeadConfig, width: int) -> None:
        super().__init__()
        head = config.width
        self.inputs = nn.ModuleList(nn.Conv2d(width, head, 1) for _ in range(LEVELS))
        self.input_norms = nn.ModuleList(nn.GroupNorm(GROUPS, head) for _ in range(LEVELS))
        self.level_embed = nn.Parameter(torch.randn(LEVELS, head))
        self.layers = nn.ModuleList(PixelLayer(config) for _ in range(config.pixel_layers))
        self.lateral = nn.Conv2d(width, head, 1, bias=False)
        self.lateral_norm = nn.GroupNorm(GROUPS, head)
        self.output = nn.Conv2d(head, head, 3, padding=1, bias=False)
        self.output_norm = nn.GroupNorm(GROUPS, head)
        self.mask_projection = nn.Conv2d(head, head, 1)

    def forward(
        self, refined: Refined, between: Callable[[], None] = nothing
    ) -> tuple[Tensor, list[Tensor]]:
        """
        Take the levels at strides 4, 8, 16, 32 and depth; call `between` after each layer.

        Returns mask features (B, D, H/4, W/4) and the maps (B, D, h, w) at strides 32, 16, 8.
        """
        levels = refined.levels
        coarse_first = levels[:0:-1]
        sizes = [level.size for level in coarse_first]
        maps = []
        for level, conv, norm in zip(coarse_first, self.inputs, self.input_norms, strict=True):
            maps.append(norm(resize(conv(level.map_BChw), level.size)))
        position_SD = torch.cat(
            [
                sine_position(size, x.shape[1], x)[0].flatten(1).T + self.level_embed[index]
                for index, (x, size) in enumerate(zip(maps, sizes, strict=True))
            ]
        )
        points_S2 = reference_points(sizes, maps[0].device)
        x_BSD = torch.cat([x.flatten(2).transpose(1, 2) for x in maps], 1)
        for layer in self.layers:
            x_BSD = layer(x_BSD, position_SD, points_S2, sizes)
            between()
        parts = x_BSD.transpose(1, 2).split([height * width for height, width in sizes], -1)
        maps = [part.unflatten(-1, size) for part, size in zip(parts, sizes, strict=True)]
        fine = self.lateral_norm(resize(self.lateral(levels[0].map_BChw), levels[0].size))
        fine = fine + resize(maps[-1], levels[0].size)
        if refined.geometry_BDhw is not None:
            fine = fine + resize(refined.geometry_BDhw, levels[0].size)
        fine = functional.relu(self.output_norm(self.output(fine)))
        return self.mask_projection(fine), maps
