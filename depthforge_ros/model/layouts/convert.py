# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Foundation weights and heads of other projects to ours: detect, rename, account for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from depthforge_ros.errors import UserError
from depthforge_ros.model.config import Eva02Config
from depthforge_ros.model.dpt import DptHead
from depthforge_ros.model.eva02 import Eva02
from depthforge_ros.model.layouts import depth_anything, dinov2, eva02, mask2former, mmseg
from depthforge_ros.model.layouts.prefixes import unprefixed, without_wrappers
from depthforge_ros.model.layouts.rules import account, rename, Rule, Shapes, some, under
from depthforge_ros.model.layouts.sizes import (
    class_count,
    dpt_config,
    encoder_config,
    head_config,
    head_input,
    shapes,
)
from depthforge_ros.model.mask2former import Mask2FormerHead
from depthforge_ros.model.vit import VisionTransformer
import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]


def expect_encoder(tensors: Tensors) -> Shapes:
    """Expect one encoder."""
    config = encoder_config(tensors, 'encoder.')
    with torch.device('meta'):
        made = Eva02(config) if isinstance(config, Eva02Config) else VisionTransformer(config)
        return shapes(made, 'encoder.')


def expect_depth(tensors: Tensors) -> Shapes:
    """Expect an encoder and a depth head on it."""
    encoder = encoder_config(tensors, 'encoder.')
    with torch.device('meta'):
        head = DptHead(dpt_config(tensors, encoder.depth), encoder.width)
        return {**expect_encoder(tensors), **shapes(head, 'depth_head.')}


def expect_head(tensors: Tensors) -> Shapes:
    """Expect a Mask2Former head and its queries (M, D)."""
    config = head_config(tensors)
    queries = tuple(tensors['queries'].shape) if 'queries' in tensors else ()
    with torch.device('meta'):
        head = Mask2FormerHead(config, head_input(tensors), class_count(tensors))
        return {**shapes(head, 'head.'), 'queries': queries}


@dataclass(frozen=True)
class Layout:
    """One way in which others store weights."""

    name: str
    marks: tuple[str, ...]
    """Beginnings that some names have, and not all of them those of a layout further down."""
    rules: Sequence[Rule]
    expect: Callable[[Tensors], Shapes] | None = None
    """From the renamed tensors of a part to all names and shapes that must be there; None for the
    checkpoints of a whole network."""


ADAPTER = '.lora_A'
SOMA = ('backbone.model.', 'module.backbone.model.')
"""How SoMA (arXiv 2412.04077) names its encoder."""


def _encoder(rules: Sequence[Rule]) -> Sequence[Rule]:
    return under(rules, '', 'encoder.')


LAYOUTS = (
    Layout('DepthForge, as published', ('backbone.depthforge.',), mmseg.DEPTHFORGE),
    Layout(
        'Rein on EVA02, as published',
        ('backbone.reins.', 'backbone.blocks.0.mlp.w1.'),
        mmseg.REIN_EVA02,
    ),
    Layout('Rein, as published', ('backbone.reins.',), mmseg.REIN),
    Layout(
        'Mask2Former of transformers',
        ('model.transformer_module.',),
        mask2former.TRANSFORMERS,
        expect_head,
    ),
    Layout('Depth Anything V2', ('pretrained.',), depth_anything.OFFICIAL, expect_depth),
    Layout(
        'Depth Anything V2 of transformers',
        ('backbone.embeddings.', 'neck.'),
        depth_anything.TRANSFORMERS,
        expect_depth,
    ),
    Layout(
        'DINOv2 of transformers',
        ('embeddings.', 'encoder.layer.'),
        _encoder(dinov2.TRANSFORMERS),
        expect_encoder,
    ),
    Layout('EVA02 of timm', ('blocks.0.mlp.fc1_g.',), _encoder(eva02.TIMM), expect_encoder),
    Layout('EVA02', ('blocks.0.mlp.w1.',), _encoder(eva02.OFFICIAL), expect_encoder),
    Layout('DINOv2', ('blocks.0.attn.qkv.',), _encoder(dinov2.OFFICIAL), expect_encoder),
)


def _known(tensors: Tensors) -> Layout | None:
    """Find the layout of a state dict; the first that fits is the most special."""
    for layout in LAYOUTS:
        if all(any(name.startswith(mark) for name in tensors) for mark in layout.marks):
            return layout
    return None


def plain_names(tensors: Tensors) -> dict[str, Tensor]:
    """Take off the names what frameworks put before them and around modules."""
    plain = without_wrappers(tensors)
    if any(ADAPTER in name for name in plain):
        return plain
    return unprefixed(plain, lambda some: _known(some) is not None)


def detect(tensors: Tensors, *, source: str) -> Layout:
    """Find the layout of a state dict of plain names."""
    adapted = next((name for name in tensors if ADAPTER in name), None)
    if adapted:
        what = 'SoMA' if adapted.startswith(SOMA) else 'a model with LoRA adapters'
        raise UserError(
            f'{source} is of {what}: low-rank adapters change its encoder ({adapted}), the file '
            'does not hold their scale, and depthforge_ros has none; convert Rein or DepthForge, '
            'or foundation weights'
        )
    if (layout := _known(tensors)) is not None:
        return layout
    raise UserError(
        f'{source} has none of the known layouts; its names are {some(sorted(tensors), 3)}; '
        f'known are {"; ".join(layout.name for layout in LAYOUTS)}'
    )


def convert_part(
    tensors: Tensors, layout: Layout, *, source: Path, allow: Sequence[str] = ()
) -> dict[str, Tensor]:
    """
    Convert foundation weights or a head; what is left over or lacking is an error.

    Returns the tensors as stored, under `encoder.` and `depth_head.`, or `head.` and `queries`.
    """
    if layout.expect is None:
        raise UserError(
            f'{source} is a checkpoint of a whole network ({layout.name}); give foundation weights'
        )
    renamed = rename(layout.rules, tensors)
    try:
        expected = layout.expect(renamed.tensors)
    except UserError as error:
        raise UserError(f'{source} ({layout.name}): {error}') from error
    return account(renamed, expected, allow=allow, source=f'{source} ({layout.name})')
