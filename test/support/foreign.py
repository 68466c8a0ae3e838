# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""State dicts of other projects with random values: their names and shapes, written out."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.model.layouts.files import convert_file
from safetensors.torch import save_file
from support.refusals import refused
import torch
from torch import Tensor

State = dict[str, Tensor]
Shape = tuple[int, ...]


def written(path: Path, shapes: dict[str, Shape]) -> tuple[Path, State]:
    """Save a state dict as upstream does."""
    state = filled(shapes)
    if path.suffix == '.safetensors':
        save_file(state, path)
    else:
        torch.save({'state_dict': state, 'meta': {'epoch': 3}}, path)
    return path, state


def refuse(path: Path, *words: str, allow: tuple[str, ...] = ()) -> None:
    """Convert a file, which must be refused with these words and leave nothing."""
    output = path.with_name('out.safetensors')
    with refused(*words):
        convert_file(path, output, allow=allow)
    assert not output.exists()


def filled(shapes: dict[str, Shape]) -> State:
    generator = torch.Generator().manual_seed(0)
    return {name: 0.05 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def linear(name: str, inputs: int, outputs: int) -> dict[str, Shape]:
    return {f'{name}.weight': (outputs, inputs), f'{name}.bias': (outputs,)}


def conv(
    name: str, inputs: int, outputs: int, side: int, *, bias: bool = True
) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {f'{name}.weight': (outputs, inputs, side, side)}
    return {**shapes, f'{name}.bias': (outputs,)} if bias else shapes


def norm(name: str, width: int) -> dict[str, Shape]:
    return {f'{name}.weight': (width,), f'{name}.bias': (width,)}


def dinov2(
    width: int, depth: int, *, grid: int = 3, patch: int = 14, registers: int = 0
) -> dict[str, Shape]:
    """Name the official vision transformer's tensors."""
    shapes = {
        'cls_token': (1, 1, width),
        'pos_embed': (1, 1 + grid**2, width),
        'mask_token': (1, width),
        **conv('patch_embed.proj', 3, width, patch),
        **norm('norm', width),
    }
    if registers:
        shapes['register_tokens'] = (1, registers, width)
    for index in range(depth):
        block = f'blocks.{index}'
        shapes |= {
            **norm(f'{block}.norm1', width),
            **linear(f'{block}.attn.qkv', width, 3 * width),
            **linear(f'{block}.attn.proj', width, width),
            f'{block}.ls1.gamma': (width,),
            **norm(f'{block}.norm2', width),
            **linear(f'{block}.mlp.fc1', width, 4 * width),
            **linear(f'{block}.mlp.fc2', 4 * width, width),
            f'{block}.ls2.gamma': (width,),
        }
    return shapes


def eva02(
    width: int, depth: int, *, grid: int = 3, patch: int = 14, timm: bool = True
) -> dict[str, Shape]:
    """Name EVA02's, as timm stores it, or as its own code (and Rein) does."""
    hidden = int(width * 8 / 3)
    shapes = {
        'cls_token': (1, 1, width),
        'pos_embed': (1, 1 + grid**2, width),
        **conv('patch_embed.proj', 3, width, patch),
        **norm('fc_norm' if timm else 'norm', width),
    }
    if not timm:
        shapes |= {
            'mask_token': (1, 1, width),
            'rope.freqs_cos': (grid**2, 64),
            'rope.freqs_sin': (grid**2, 64),
            **linear('lm_head', width, 8),
        }
    gate, value, sub, last = (
        ('fc1_g', 'fc1_x', 'norm', 'fc2') if timm else ('w1', 'w2', 'ffn_ln', 'w3')
    )
    bias = '{}_proj.bias' if timm else '{}_bias'
    for index in range(depth):
        block = f'blocks.{index}'
        shapes |= {
            **norm(f'{block}.norm1', width),
            **{f'{block}.attn.{part}_proj.weight': (width, width) for part in 'qkv'},
            **{f'{block}.attn.{bias.format(part)}': (width,) for part in 'qv'},
            **linear(f'{block}.attn.proj', width, width),
            **norm(f'{block}.norm2', width),
            **linear(f'{block}.mlp.{gate}', width, hidden),
            **linear(f'{block}.mlp.{value}', width, hidden),
            **norm(f'{block}.mlp.{sub}', hidden),
            **linear(f'{block}.mlp.{last}', hidden, width),
        }
    return shapes


def dpt(width: int, features: int, channels: tuple[int, ...]) -> dict[str, Shape]:
    """Depth Anything V2's head, relative or metric."""
    first, second, _, last = channels
    shapes = {
        'resize_layers.0.weight': (first, first, 4, 4),
        'resize_layers.0.bias': (first,),
        'resize_layers.1.weight': (second, second, 2, 2),
        'resize_layers.1.bias': (second,),
        **conv('resize_layers.3', last, last, 3),
        **conv('scratch.output_conv1', features, features // 2, 3),
        **conv('scratch.output_conv2.0', features // 2, 32, 3),
        **conv('scratch.output_conv2.2', 32, 1, 1),
    }
    for level, count in enumerate(channels):
        shapes |= conv(f'projects.{level}', width, count, 1)
        shapes |= conv(f'scratch.layer{level + 1}_rn', count, features, 3, bias=False)
        fusion = f'scratch.refinenet{level + 1}'
        shapes |= conv(f'{fusion}.out_conv', features, features, 1)
        for unit in (1, 2):
            for index in (1, 2):
                shapes |= conv(f'{fusion}.resConfUnit{unit}.conv{index}', features, features, 3)
    return shapes


def prefixed(prefix: str, shapes: dict[str, Shape]) -> dict[str, Shape]:
    return {prefix + name: shape for name, shape in shapes.items()}


def depth_anything(width: int, depth: int, *, grid: int = 3) -> dict[str, Shape]:
    """Name those of the official DepthAnythingV2."""
    return {
        **prefixed('pretrained.', dinov2(width, depth, grid=grid)),
        **prefixed('depth_head.', dpt(width, 8, (8, 8, 8, 8))),
    }


def tokens(width: int, depth: int) -> dict[str, Shape]:
    """10 tokens of rank 4, of LoRAReins and DepthForgeReins."""
    return {
        'learnable_tokens_a': (depth, 10, 4),
        'learnable_tokens_b': (depth, 4, width),
        'scale': (),
        **linear('mlp_token2feat', width, width),
        **linear('mlp_delta_f', width, width),
        **linear('transform', width, 64),
        **linear('merge', 192, 64),
    }


def gates(width: int) -> dict[str, Shape]:
    """Weights of the DynamicQueryCorrectionModule, as DepthForge names it."""
    return {
        **conv('attention_gate.channel_attention.0', width, width // 16, 1),
        **conv('attention_gate.channel_attention.2', width // 16, width, 1),
        **conv('attention_gate.spatial_attention', width, 1, 3),
        **conv('linear_fuse', 4 * width, width, 1),
    }


def pixel_decoder(width: int) -> dict[str, Shape]:
    """Mmdet's MSDeformAttnPixelDecoder of width 64: 2 layers, 4 heads."""
    shapes = {
        'level_encoding.weight': (3, 64),
        **conv('lateral_convs.0.conv', width, 64, 1, bias=False),
        **norm('lateral_convs.0.gn', 64),
        **conv('output_convs.0.conv', 64, 64, 3, bias=False),
        **norm('output_convs.0.gn', 64),
        **conv('mask_feature', 64, 64, 1),
    }
    for level in range(3):
        shapes |= conv(f'input_convs.{level}.conv', width, 64, 1)
        shapes |= norm(f'input_convs.{level}.gn', 64)
    for index in range(2):
        layer = f'encoder.layers.{index}'
        shapes |= {
            **linear(f'{layer}.self_attn.sampling_offsets', 64, 4 * 3 * 4 * 2),
            **linear(f'{layer}.self_attn.attention_weights', 64, 4 * 3 * 4),
            **linear(f'{layer}.self_attn.value_proj', 64, 64),
            **linear(f'{layer}.self_attn.output_proj', 64, 64),
            **linear(f'{layer}.ffn.layers.0.0', 64, 96),
            **linear(f'{layer}.ffn.layers.1', 96, 64),
            **norm(f'{layer}.norms.0', 64),
            **norm(f'{layer}.norms.1', 64),
        }
    return shapes


def head(width: int, classes: int = 19) -> dict[str, Shape]:
    """ReinMask2FormerHead of width 64 with 3 layers."""
    shapes = {
        **prefixed('pixel_decoder.', pixel_decoder(width)),
        'level_embed.weight': (3, 64),
        **linear('querys2feat', 64, 64),
        **linear('cls_embed', 64, classes + 1),
        **norm('transformer_decoder.post_norm', 64),
    }
    for index in (0, 2, 4):
        shapes |= linear(f'mask_embed.{index}', 64, 64)
    for index in range(3):
        layer = f'transformer_decoder.layers.{index}'
        for attention in ('self_attn', 'cross_attn'):
            shapes |= {
                f'{layer}.{attention}.attn.in_proj_weight': (192, 64),
                f'{layer}.{attention}.attn.in_proj_bias': (192,),
                **linear(f'{layer}.{attention}.attn.out_proj', 64, 64),
            }
        shapes |= linear(f'{layer}.ffn.layers.0.0', 64, 80)
        shapes |= linear(f'{layer}.ffn.layers.1', 80, 64)
        for index_ in range(3):
            shapes |= norm(f'{layer}.norms.{index_}', 64)
    return shapes


def rein(width: int, depth: int) -> dict[str, Shape]:
    """Name those of a Rein checkpoint, without the frozen backbone."""
    return {
        **prefixed('backbone.reins.', tokens(width, depth)),
        **prefixed('decode_head.', head(width)),
    }


def depthforge(width: int, depth: int, *, whole: bool) -> dict[str, Shape]:
    """Name those of a DepthForge checkpoint; whole, with the backbones at patch 16."""
    shapes = {
        **prefixed('backbone.depthforge.', tokens(width, depth)),
        **prefixed('decode_head.', head(width)),
        **prefixed('decode_head.DQCM.', gates(width)),
    }
    if not whole:
        return shapes
    encoder = dinov2(width, depth, patch=16)
    return {
        **shapes,
        **prefixed('backbone.', encoder),
        **prefixed('backbone.depth_anything.pretrained.', encoder),
        **prefixed('backbone.depth_anything.depth_head.', dpt(width, 8, (8, 8, 8, 8))),
    }
