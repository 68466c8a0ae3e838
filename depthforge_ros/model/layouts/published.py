# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Checkpoints of the published Rein and DepthForge code to checkpoints of ours.

The published code stretches the frozen encoders to patches of 16 pixels and to the grid of its
512 x 512 crops, by plain bicubic interpolation, and leaves them out of most of its checkpoints.
What was trained on them fits no other ones, so the stretching is repeated here where it must be,
and the frozen encoders are stored with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from depthforge_ros.errors import UserError
from depthforge_ros.labels import CAMVID, CITYSCAPES, LabelSpace
from depthforge_ros.model.config import NetworkConfig, VitConfig
from depthforge_ros.model.layouts.convert import Layout, Tensors
from depthforge_ros.model.layouts.rules import account, rename, Renamed
from depthforge_ros.model.layouts.sizes import (
    class_count,
    DECODER_TAPS,
    dpt_config,
    encoder_config,
    head_config,
    shapes,
    token_config,
)
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.patch import resize_positions
import torch
from torch import Tensor
from torch.nn import functional

CROP = 512
"""Pixels; side of the published training's crops."""
PATCH = 16
"""Pixels; patch of the published training."""
LETTERS = {384: 's', 768: 'b', 1024: 'l'}
"""By which upstream calls the encoders of each width."""
VISUAL, DEPTH, DEPTH_HEAD = 'visual_encoder.', 'depth_encoder.', 'depth_head.'


def convert_published(
    tensors: Tensors,
    layout: Layout,
    *,
    source: Path,
    read: Callable[[str], Tensors],
    visual: str | None = None,
    allow: Sequence[str] = (),
) -> tuple[NetworkConfig, LabelSpace, dict[str, Tensor]]:
    """
    Return configuration, classes and all tensors of a network.

    `read` gives foundation weights by name, under `encoder.` and `depth_head.`: those that the
    checkpoint leaves out. `visual` names the visual ones, DINOv2 of the tokens' width by default.
    """
    told = f'{source} ({layout.name})'
    renamed = rename(layout.rules, tensors)
    try:
        _add_frozen(renamed, read, visual)
        config = _config(renamed.tensors)
        classes = class_count(renamed.tensors)
    except UserError as error:
        raise UserError(f'{told}: {error}') from error
    with torch.device('meta'):
        expected = shapes(DepthForge(config, classes))
    kept = account(renamed, expected, allow=allow, source=told)
    return config, _label_space(classes, told), kept


def stretch(encoder: Tensors) -> dict[str, Tensor]:
    """Resize patch kernel and positions of an encoder as the published code does."""
    kernel, positions = encoder['patch_embed.proj.weight'], encoder['pos_embed']
    side = CROP // PATCH
    resized = functional.interpolate(kernel.float(), size=(PATCH, PATCH), mode='bicubic')
    patches = resize_positions(positions[:, 1:].float(), (side, side))
    return {
        **encoder,
        'patch_embed.proj.weight': resized,
        'pos_embed': torch.cat((positions[:, :1].float(), patches), 1),
    }


def _add_frozen(renamed: Renamed, read: Callable[[str], Tensors], visual: str | None) -> None:
    """Put the frozen parts that the checkpoint leaves out beside those that it has."""
    if 'tokens.b' not in renamed.tensors:
        raise UserError(
            'it has no learnable_tokens_b; only tokens in their factorised form are converted'
        )
    width = renamed.tensors['tokens.b'].shape[-1]
    present = {name.split('.', 1)[0] + '.' for name in renamed.tensors}
    if not {VISUAL, DEPTH} <= present and width not in LETTERS:
        raise UserError(f'its tokens have width {width}; foundations have {sorted(LETTERS)}')
    added: dict[str, Tensor] = {}
    if VISUAL not in present:
        foundation = read(visual or f'dinov2_vit{LETTERS[width]}14')
        added |= _named(VISUAL, stretch(_part(foundation, 'encoder.')))
    if DEPTH not in present:
        foundation = read(f'depth_anything_v2_vit{LETTERS[width]}')
        added |= _named(DEPTH, stretch(_part(foundation, 'encoder.')))
        added |= _named(DEPTH_HEAD, _part(foundation, DEPTH_HEAD))
    renamed.tensors.update(added)
    renamed.origins.update({name: (name,) for name in added})


def _config(tensors: Tensors) -> NetworkConfig:
    encoder = encoder_config(tensors, DEPTH)
    visual = encoder_config(tensors, VISUAL)
    if not isinstance(encoder, VitConfig):
        raise UserError(
            'its depth encoder is an EVA02; a DINOv2 of Depth Anything V2 was expected'
        )
    if encoder.depth not in DECODER_TAPS:
        raise UserError(
            f'its encoders have {encoder.depth} blocks instead of {list(DECODER_TAPS)}'
        )
    head = head_config(tensors)
    return NetworkConfig(
        encoder=encoder,
        visual=None if visual == encoder else visual,
        taps=DECODER_TAPS[encoder.depth],
        # Only DepthForge refines; Rein knows no depth.
        tokens=token_config(tensors, 'joint' if head.refine else 'visual'),
        head=head,
        dpt=dpt_config(tensors, encoder.depth),
        short_side=CROP,
    )


def _label_space(classes: int, told: str) -> LabelSpace:
    for space in (CITYSCAPES, CAMVID):
        if len(space) == classes:
            return space
    raise UserError(
        f'{told} has {classes} classes; {len(CITYSCAPES)} (Cityscapes) or {len(CAMVID)} '
        '(CamVid) are expected'
    )


def _part(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _named(prefix: str, tensors: Tensors) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in tensors.items()}
