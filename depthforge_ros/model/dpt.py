# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2's DPT head, with the parameter names of the official code."""

from __future__ import annotations

from collections.abc import Sequence

from depthforge_ros.model.config import DptConfig
from torch import nn, Tensor
from torch.nn import functional


def _conv3(inputs: int, outputs: int, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)


class Upscaling(nn.Module):
    """
    A transposed convolution that strides by its kernel's size, with its parameters.

    Computed as a product and a shuffle: TensorRT's RTX flavour builds none in bfloat16.
    """

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        like = nn.ConvTranspose2d(channels, channels, factor, stride=factor)
        assert like.bias is not None
        self.weight, self.bias = like.weight, like.bias

    def forward(self, x_BChw: Tensor) -> Tensor:
        weight = self.weight.flatten(1).mT[..., None, None]
        bias = self.bias.repeat_interleave(self.factor**2)
        return functional.pixel_shuffle(functional.conv2d(x_BChw, weight, bias), self.factor)


class ResidualConvUnit(nn.Module):
    """Pre-activated residual unit."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = _conv3(features, features)
        self.conv2 = _conv3(features, features)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.conv1(functional.relu(x)).relu_())
        return out + x


class FusionBlock(nn.Module):
    """Adds a finer map and resizes to the next one."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(features, features, 1)
        self.resConfUnit1 = ResidualConvUnit(features)
        self.resConfUnit2 = ResidualConvUnit(features)

    def forward(self, x: Tensor, finer: Tensor | None, size: tuple[int, int]) -> Tensor:
        if finer is not None:
            x = x + self.resConfUnit1(finer)
        x = self.resConfUnit2(x)
        # The 1x1 convolution commutes with the resizing: it runs on the smaller map.
        x = self.out_conv(x)
        return functional.interpolate(x, size=size, mode='bilinear', align_corners=True)


class Scratch(nn.Module):
    """The fusion part; named as upstream names it."""

    def __init__(self, config: DptConfig) -> None:
        super().__init__()
        features = config.features
        for index, channels in enumerate(config.out_channels, start=1):
            setattr(self, f'layer{index}_rn', _conv3(channels, features, bias=False))
            setattr(self, f'refinenet{index}', FusionBlock(features))
        self.output_conv1 = _conv3(features, features // 2)
        self.output_conv2 = nn.Sequential(
            _conv3(features // 2, 32), nn.ReLU(), nn.Conv2d(32, 1, 1)
        )


class DptHead(nn.Module):
    """Four normalised encoder maps to relative inverse depth, or to depth in metres."""

    def __init__(self, config: DptConfig, width: int) -> None:
        super().__init__()
        self.config = config
        channels = config.out_channels
        self.projects = nn.ModuleList(nn.Conv2d(width, count, 1) for count in channels)
        self.resize_layers = nn.ModuleList(
            (
                Upscaling(channels[0], 4),
                Upscaling(channels[1], 2),
                nn.Identity(),
                nn.Conv2d(channels[3], channels[3], 3, stride=2, padding=1),
            )
        )
        self.scratch = Scratch(config)

    def forward(self, maps_BChw: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """
        Answer for an image of `size` (H, W): (B, H, W).

        Relative inverse depth >= 0, or with `max_depth_m` the depth in metres, up to that.
        """
        out = self.unbounded(maps_BChw, size)
        max_depth_m = self.config.max_depth_m
        return max_depth_m * out.sigmoid() if max_depth_m else functional.relu(out)

    def unbounded(self, maps_BChw: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Answer before the last activation, where a guess below zero has a gradient too."""
        scratch = self.scratch
        layers = []
        for index, x in enumerate(maps_BChw):
            x = self.resize_layers[index](self.projects[index](x))
            layers.append(getattr(scratch, f'layer{index + 1}_rn')(x))
        fused: Tensor | None = None
        for index in (3, 2, 1, 0):
            finer = layers[index]
            target = _size(layers[index - 1]) if index else _double(finer)
            refine: FusionBlock = getattr(scratch, f'refinenet{index + 1}')
            fused = refine(finer, None, target) if fused is None else refine(fused, finer, target)
        x = scratch.output_conv1(fused)
        if self.config.full_size:
            return scratch.output_conv2(_resize(x, size)).squeeze(1)
        return _resize(scratch.output_conv2(x), size).squeeze(1)


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(x, size=size, mode='bilinear', align_corners=True)


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[2], x.shape[3]


def _double(x: Tensor) -> tuple[int, int]:
    return 2 * x.shape[2], 2 * x.shape[3]
