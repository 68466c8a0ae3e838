# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The depth refinement decoder (DepthForge): gates and fuses the maps of four blocks, takes depth.

Shapes: B batch, C encoder width, D head width, F width of the depth head, h x w patch grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from depthforge_ros.model.attention import CrossAttention
from depthforge_ros.model.config import HeadConfig
from depthforge_ros.model.dpt import DepthMaps
import torch
from torch import nn, Tensor
from torch.nn import functional


class Level(NamedTuple):
    """
    One pyramid level: a map, and the size (height, width) at which it is meant.

    Resizing is left to the reader, who projects the channels first: a 1x1 convolution and a
    bilinear resize commute, and the projection is cheaper on the smaller map.
    """

    map_BChw: Tensor
    size: tuple[int, int]

    def resized(self) -> Tensor:
        """Return the map at its size."""
        return resize(self.map_BChw, self.size)


class Refined(NamedTuple):
    """What the head classifies."""

    levels: list[Level]
    """At strides 4, 8, 16 and 32."""
    geometry_BDhw: Tensor | None
    """What depth adds to the head's features at stride 4; None without depth."""


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (B, C, h, w) bilinearly to `size` (height, width)."""
    if (x.shape[2], x.shape[3]) == size:
        return x
    if not torch.compiler.is_exporting():
        step_y, step_x = _even_step(x.shape[2], size[0]), _even_step(x.shape[3], size[1])
        if step_y and step_x:
            return _middles(x, step_y, step_x)
    return functional.interpolate(x, size=size, mode='bilinear', align_corners=False)


def _even_step(before: int, after: int) -> int:
    """Whole, even number of old cells in a new one, else 0."""
    step, rest = divmod(before, after)
    return 0 if rest or step % 2 else step


def _middles(x: Tensor, step_y: int, step_x: int) -> Tensor:
    """Mean of the four cells around the middle of each new one: bilinear, without a copy of x."""
    rows = x[:, :, step_y // 2 - 1 :: step_y] + x[:, :, step_y // 2 :: step_y]
    return 0.25 * (rows[..., step_x // 2 - 1 :: step_x] + rows[..., step_x // 2 :: step_x])


def pyramid_sizes(grid: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Sizes at strides 4, 8, 16 and 32 (in patches of 16) for a patch grid (h, w)."""
    height, width = grid
    half = ((height + 1) // 2, (width + 1) // 2)
    return (4 * height, 4 * width), (2 * height, 2 * width), grid, half


class Gate(nn.Module):
    """Channel gate, then spatial gate."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channel = nn.Sequential(
            nn.Conv2d(width, width // 16, 1),
            nn.ReLU(),
            nn.Conv2d(width // 16, width, 1),
            nn.Sigmoid(),
        )
        self.spatial = nn.Sequential(nn.Conv2d(width, 1, 3, padding=1), nn.Sigmoid())

    def forward(self, x_BChw: Tensor) -> Tensor:
        x_BChw = x_BChw * self.channel(x_BChw)
        out: Tensor = x_BChw * self.spatial(x_BChw)
        return out


class Geometry(nn.Module):
    """Depth as the head's features: the depth head's fused maps and the relative inverse depth."""

    def __init__(self, config: HeadConfig, depth_features: int) -> None:
        super().__init__()
        self.fused_norm = nn.GroupNorm(1, depth_features) if config.depth == 'fused' else None
        channels = 1 + (depth_features if config.depth == 'fused' else 0)
        self.project = nn.Conv2d(channels, config.width, 1)
        self.norm = nn.GroupNorm(8, config.width)

    def forward(self, maps: DepthMaps) -> Tensor:
        """Return (B, D, h, w) at the fused maps' size, stride 4."""
        size = maps.fused_BFhw.shape[2], maps.fused_BFhw.shape[3]
        near_B1hw = nearness(resize(maps.depth_BHW[:, None], size))
        seen = [near_B1hw]
        if self.fused_norm is not None:
            seen = [self.fused_norm(maps.fused_BFhw), near_B1hw]
        out: Tensor = self.norm(self.project(torch.cat(seen, 1)))
        return out


def nearness(inverse_depth_B1hw: Tensor) -> Tensor:
    """Inverse depth over its largest value in the image: [0, 1], whatever its scale."""
    return inverse_depth_B1hw / inverse_depth_B1hw.amax((2, 3), keepdim=True).clamp_min(1e-6)


class RefinementDecoder(nn.Module):
    """Four encoder maps to a pyramid whose finest level carries the fused, gated maps."""

    def __init__(self, config: HeadConfig, width: int, depth_features: int = 0) -> None:
        super().__init__()
        self.config = config
        self.geometry = Geometry(config, depth_features) if config.depth != 'none' else None
        if config.refine:
            self.gates = nn.ModuleList(Gate(width) for _ in range(1 if config.one_gate else 4))
            self.fuse = nn.Conv2d(4 * width, width, 1)
            if config.kind == 'mask2former':
                # The fused map starts as an addition of nothing, so that training starts from
                # the frozen features.
                nn.init.zeros_(self.fuse.weight)
                nn.init.zeros_(self.fuse.bias)  # type: ignore[arg-type]
        if config.refine_tokens:
            self.to_tokens = nn.Linear(width, config.width)
            self.look = CrossAttention(config.width, config.attention_heads)
            nn.init.zeros_(self.look.out.weight)
            nn.init.zeros_(self.look.out.bias)

    def forward(self, maps_BChw: Sequence[Tensor], depth: Callable[[], DepthMaps]) -> Refined:
        """Take four maps (B, C, h, w), and what gives depth (inverse) where that is asked for."""
        levels = self._levels(maps_BChw)
        return Refined(levels, None if self.geometry is None else self.geometry(depth()))

    def _levels(self, maps_BChw: Sequence[Tensor]) -> list[Level]:
        grid = maps_BChw[0].shape[2], maps_BChw[0].shape[3]
        levels = [Level(x, size) for x, size in zip(maps_BChw, pyramid_sizes(grid), strict=True)]
        if not self.config.refine:
            return levels
        if self.config.gate_on == 'grid':
            fused = self.fuse(torch.cat(self._gated(maps_BChw), 1))
            return [Level(maps_BChw[0] + fused, levels[0].size), *levels[1:]]
        pyramid = [level.resized() for level in levels]
        if self.config.gate_on == 'finest':
            gated = self._gated([resize(x, levels[0].size) for x in pyramid])
        else:
            gated = self._gated(pyramid)
        sized = [Level(x, level.size) for x, level in zip(pyramid, levels, strict=True)]
        return [Level(pyramid[0] + self._fuse(gated), levels[0].size), *sized[1:]]

    def refined_queries(self, queries_MD: Tensor, finest: Level) -> Tensor:
        """Add to the tokens' queries what they see in the fused map: (B, M, D), or as they are."""
        if not self.config.refine_tokens:
            return queries_MD
        seen_BSD = self.to_tokens(finest.map_BChw.flatten(2).transpose(1, 2))
        batch = seen_BSD.shape[0]
        queries_BMD = queries_MD.expand(batch, *queries_MD.shape)
        return queries_BMD + self.look(queries_BMD, seen_BSD, seen_BSD)

    def _gated(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return [self.gates[index % len(self.gates)](x) for index, x in enumerate(maps)]

    def _fuse(self, gated: Sequence[Tensor]) -> Tensor:
        """Resize to the first map's size, concatenate, convolve; each part convolved first."""
        size = gated[0].shape[2], gated[0].shape[3]
        weights = self.fuse.weight.chunk(4, 1)
        fused = functional.conv2d(gated[0], weights[0], self.fuse.bias)
        for x, weight in zip(gated[1:], weights[1:], strict=True):
            fused = fused + resize(functional.conv2d(x, weight), size)
        return fused
