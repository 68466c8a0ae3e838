# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2's DPT head, with the parameter names of the official code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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
    """
    Adds a finer map.

    The last convolution comes before the resizing to the next map, with which it commutes.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(features, features, 1)
        self.resConfUnit1 = ResidualConvUnit(features)
        self.resConfUnit2 = ResidualConvUnit(features)

    def forward(self, x: Tensor, finer: Tensor | None) -> Tensor:
        if finer is not None:
            x = x + self.resConfUnit1(finer)
        out: Tensor = self.out_conv(self.resConfUnit2(x))
        return out


class DepthMaps(NamedTuple):
    """What the depth head says of an image."""

    depth_BHW: Tensor
    """Relative inverse depth >= 0, or with `max_depth_m` metres; at the image's size."""
    fused_BFhw: Tensor
    """The last fused maps, four times as fine as the patch grid."""


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

    def __init__(self, config: DptConfig, width: int, stem: tuple[int, ...] = ()) -> None:
        """Take maps of `width` channels; with `from_stem`, two of the stem and two of `width`."""
        super().__init__()
        self.config = config
        channels = config.out_channels
        widths = (*stem[1:], width, width) if config.from_stem else (width,) * 4
        self.projects = nn.ModuleList(
            nn.Conv2d(inputs, count, 1) for inputs, count in zip(widths, channels, strict=True)
        )
        self.resize_layers = nn.ModuleList(
            (
                nn.Identity() if config.from_stem else Upscaling(channels[0], 4),
                nn.Identity() if config.from_stem else Upscaling(channels[1], 2),
                nn.Identity(),
                nn.Conv2d(channels[3], channels[3], 3, stride=2, padding=1),
            )
        )
        self.scratch = Scratch(config)

    def start_near(self) -> None:
        """Begin a training above zero: depth that begins below has no gradient."""
        nn.init.constant_(self.scratch.output_conv2[-1].bias, 1.0)  # type: ignore[arg-type]

    def forward(self, maps_BChw: Sequence[Tensor], size: tuple[int, int]) -> DepthMaps:
        """Answer for an image of `size` (H, W)."""
        scratch = self.scratch
        layers = []
        for index, x in enumerate(maps_BChw):
            x = self.resize_layers[index](self.projects[index](x))
            layers.append(getattr(scratch, f'layer{index + 1}_rn')(x))
        fused: Tensor | None = None
        for index in (3, 2, 1, 0):
            finer = layers[index]
            refine: FusionBlock = getattr(scratch, f'refinenet{index + 1}')
            maps = refine(finer, None) if fused is None else refine(fused, finer)
            fused = _resize(maps, _size(layers[index - 1]) if index else _double(finer))
        x = scratch.output_conv1(fused)
        if self.config.full_size:
            out = scratch.output_conv2(_resize(x, size)).squeeze(1)
        else:
            out = _resize(scratch.output_conv2(x), size).squeeze(1)
        max_depth_m = self.config.max_depth_m
        return DepthMaps(
            max_depth_m * out.sigmoid() if max_depth_m else functional.relu(out), maps
        )


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(x, size=size, mode='bilinear', align_corners=True)


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[2], x.shape[3]


def _double(x: Tensor) -> tuple[int, int]:
    return 2 * x.shape[2], 2 * x.shape[3]
