# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A convolutional stem: patches of 16 pixels, and finer maps for the depth head on the way."""

from __future__ import annotations

from depthforge_ros.model.config import VitConfig
from torch import nn, Tensor
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval


class NormedConv(nn.Sequential):
    """A 3x3 convolution and its batch norm."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def fold(self) -> None:
        """Put the norm, which is constant once trained, into the convolution, in place."""
        convolution, norm = self
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            self[0] = fuse_conv_bn_eval(convolution.eval(), norm.eval())
            self[1] = nn.Identity()


class ResidualBlock(nn.Module):
    """Two convolutions with batch norm beside the identity (ResNet, arXiv 1512.03385)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = NormedConv(channels, channels)
        self.conv2 = NormedConv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.conv2(functional.relu(self.conv1(x))))


class Stage(nn.Module):
    """Halves the map, then refines it."""

    def __init__(self, inputs: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.down = NormedConv(inputs, outputs, stride=2)
        self.blocks = nn.Sequential(*(ResidualBlock(outputs) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.blocks(functional.relu(self.down(x)))
        return out


class ConvStem(nn.Module):
    """Strides 2, 4 and 8 with residual blocks at the last two, then the patches at stride 16."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        half, quarter, eighth = config.stem
        self.to_2 = Stage(3, half, 0)
        self.to_4 = Stage(half, quarter, config.stem_blocks)
        self.to_8 = Stage(quarter, eighth, config.stem_blocks)
        self.patches = NormedConv(eighth, config.width, stride=2)

    def forward(self, image_B3HW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the patches (B, N, C) and the maps at strides 4 and 8."""
        quarter = self.to_4(self.to_2(image_B3HW))
        eighth = self.to_8(quarter)
        return self.patches(eighth).flatten(2).transpose(1, 2), (quarter, eighth)
