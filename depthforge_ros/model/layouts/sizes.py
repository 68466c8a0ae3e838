# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Sizes of the network's parts, read off the shapes of their tensors (under our names)."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import math
import re

from depthforge_ros.errors import UserError
from depthforge_ros.model.config import (
    DptConfig,
    Eva02Config,
    HeadConfig,
    TokenConfig,
    VitConfig,
)
from depthforge_ros.model.sampling import LEVELS
from torch import nn, Tensor

HEAD_WIDTH = 64
"""Channels of an attention head in every published DINOv2 and EVA02."""
POINTS = HeadConfig().points
"""Sampling points per head and level in every published Mask2Former."""
DEPTH_TAPS = {24: (4, 11, 17, 23)}
"""Blocks that Depth Anything V2's head takes, by depth; elsewhere those of the segmentation."""
DEPTHS = {384: 12, 768: 12, 1024: 24}
"""Blocks of the encoders of each published width."""
DECODER_TAPS = {12: (2, 5, 8, 11), 24: (7, 11, 15, 23)}
"""Blocks whose maps the decoder takes, by depth (Rein and DepthForge)."""

EncoderConfig = VitConfig | Eva02Config
Tensors = Mapping[str, Tensor]


def encoder_config(tensors: Tensors, prefix: str) -> EncoderConfig:
    """Sizes of the encoder whose names begin with a prefix."""
    kernel = _shape(tensors, f'{prefix}patch_embed.proj.weight', 4)
    grid = math.isqrt(_shape(tensors, f'{prefix}pos_embed', 3)[1] - 1)
    width, patch = kernel[0], kernel[-1]
    heads = max(1, width // HEAD_WIDTH)
    depth = _count(tensors, f'{prefix}blocks.')
    if depth != DEPTHS.get(width, depth):
        raise UserError(
            f'an encoder of width {width} has {depth} blocks instead of {DEPTHS[width]}; use a '
            'whole file'
        )
    gate = f'{prefix}blocks.0.mlp.fc1_g.weight'
    if gate in tensors:
        config = Eva02Config(
            width=width, depth=depth, heads=heads, patch=patch, position_grid=grid
        )
        hidden = _shape(tensors, gate)[0]
        if hidden == int(width * config.mlp_ratio):
            return config
        return dataclasses.replace(config, mlp_ratio=hidden / width)
    registers = f'{prefix}register_tokens'
    return VitConfig(
        width=width,
        depth=depth,
        heads=heads,
        mlp_ratio=_shape(tensors, f'{prefix}blocks.0.mlp.fc1.weight')[0] / width,
        patch=patch,
        position_grid=grid,
        registers=_shape(tensors, registers, 3)[1] if registers in tensors else 0,
    )


def dpt_config(tensors: Tensors, depth: int) -> DptConfig:
    """Sizes of the depth head on an encoder of so many blocks; its range is not in the weights."""
    features = _shape(tensors, 'depth_head.scratch.layer1_rn.weight', 4)[0]
    a, b, c, d = (
        _shape(tensors, f'depth_head.projects.{level}.weight', 4)[0] for level in range(4)
    )
    return DptConfig(features=features, out_channels=(a, b, c, d), taps=DEPTH_TAPS.get(depth))


def token_config(tensors: Tensors, attention: str) -> TokenConfig:
    """Sizes of the tokens."""
    _, count, rank = _shape(tensors, 'tokens.a', 3)
    return TokenConfig(count=count, rank=rank, attention=attention)


def head_config(tensors: Tensors) -> HeadConfig:
    """Sizes of the refinement decoder, as DepthForge published it, and of the Mask2Former head."""
    pixels = 'head.pixel_decoder.layers.'
    samples = _shape(tensors, f'{pixels}0.attention.attention_weights.weight')[0]
    return HeadConfig(
        refine='refinement.fuse.weight' in tensors,
        gate_on='finest',
        one_gate=True,
        width=_shape(tensors, 'head.classify.weight')[1],
        attention_heads=samples // (LEVELS * POINTS),
        pixel_layers=_count(tensors, pixels),
        pixel_ffn=_shape(tensors, f'{pixels}0.fc1.weight')[0],
        decoder_layers=_count(tensors, 'head.layers.'),
        decoder_ffn=_shape(tensors, 'head.layers.0.fc1.weight')[0],
        points=POINTS,
    )


def class_count(tensors: Tensors) -> int:
    """Classes that the head tells apart, without 'no object'."""
    return _shape(tensors, 'head.classify.weight')[0] - 1


def head_input(tensors: Tensors) -> int:
    """Channels of the maps that the head takes; UserError unless all have the same."""
    pixels = 'head.pixel_decoder.'
    names = (f'{pixels}lateral.weight', *(f'{pixels}inputs.{level}.weight' for level in range(3)))
    widths = [_shape(tensors, name, 4)[1] for name in names]
    if len(set(widths)) > 1:
        raise UserError(
            f'the head takes maps of {", ".join(map(str, sorted(widths)))} channels, as Swin and '
            'ResNet give them; our encoders give all maps the same: use a head that was trained '
            'on such a backbone'
        )
    return widths[0]


def shapes(module: nn.Module, prefix: str = '') -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors of a module's state."""
    return {f'{prefix}{name}': tuple(x.shape) for name, x in module.state_dict().items()}


def _shape(tensors: Tensors, name: str, dimensions: int = 2) -> tuple[int, ...]:
    if name not in tensors:
        raise UserError(f'the source has no tensor for {name}; use a whole file of this layout')
    shape = tuple(tensors[name].shape)
    if len(shape) != dimensions:
        raise UserError(
            f'{name} is {shape}, where {dimensions} dimensions are needed; use a whole file of '
            'this layout'
        )
    return shape


def _count(tensors: Tensors, prefix: str) -> int:
    """Count the modules of a list."""
    pattern = re.compile(re.escape(prefix) + r'(\d+)\.')
    return 1 + max((int(m.group(1)) for m in map(pattern.match, tensors) if m), default=-1)
