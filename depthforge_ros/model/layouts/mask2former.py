# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""transformers' Mask2Former: the head alone, without the backbone that it was trained on."""

from __future__ import annotations

from depthforge_ros.errors import UserError
from depthforge_ros.model.layouts.rules import Rule
import torch
from torch import Tensor

CONTENT_TOLERANCE = 1e-4
"""Largest share of the content's spread by which `content_layer` may miss it."""


def content_layer(content_MD: Tensor, queries_MD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """
    Make a linear layer (weight, bias) that gives the content of the queries; also the queries.

    Mask2Former learns the initial content (M, D) apart from the queries (M, D); ours comes from
    them through a layer, which can give any content as long as M <= D: the smallest solution.
    """
    ones = torch.ones(len(queries_MD), 1, dtype=torch.float64)
    inputs = torch.cat((queries_MD.double(), ones), 1)
    solution = torch.linalg.lstsq(inputs, content_MD.double(), driver='gelsd').solution
    missed = float((inputs @ solution - content_MD).abs().max())
    if missed > CONTENT_TOLERANCE * max(1.0, float(content_MD.abs().max())):
        count, width = queries_MD.shape
        raise UserError(
            f'{count} queries of width {width} have a content that no linear layer makes of them '
            f'(missed by {missed:.2g}); convert a head with at most as many queries as channels'
        )
    weight, bias = solution[:-1].T, solution[-1]
    return weight.to(content_MD).contiguous(), bias.to(content_MD), queries_MD


_PIXELS, _OURS = 'model.pixel_level_module.decoder.', 'head.pixel_decoder.'
_DECODER = 'model.transformer_module.decoder.'
_LAYER = f'{_DECODER}layers.*.'

TRANSFORMERS = (
    Rule('criterion.empty_weight', None),
    Rule(f'{_PIXELS}level_embed', f'{_OURS}level_embed'),
    Rule(f'{_PIXELS}input_projections.*.0.**', f'{_OURS}inputs.*.**'),
    Rule(f'{_PIXELS}input_projections.*.1.**', f'{_OURS}input_norms.*.**'),
    Rule(f'{_PIXELS}adapter_1.0.**', f'{_OURS}lateral.**'),
    Rule(f'{_PIXELS}adapter_1.1.**', f'{_OURS}lateral_norm.**'),
    Rule(f'{_PIXELS}layer_1.0.**', f'{_OURS}output.**'),
    Rule(f'{_PIXELS}layer_1.1.**', f'{_OURS}output_norm.**'),
    Rule(f'{_PIXELS}mask_projection.**', f'{_OURS}mask_projection.**'),
    Rule(f'{_PIXELS}encoder.layers.*.self_attn.**', f'{_OURS}layers.*.attention.**'),
    Rule(f'{_PIXELS}encoder.layers.*.self_attn_layer_norm.**', f'{_OURS}layers.*.norm1.**'),
    Rule(f'{_PIXELS}encoder.layers.*.final_layer_norm.**', f'{_OURS}layers.*.norm2.**'),
    Rule(f'{_PIXELS}encoder.layers.*.**', f'{_OURS}layers.*.**'),
    Rule(
        (
            'model.transformer_module.queries_features.weight',
            'model.transformer_module.queries_embedder.weight',
        ),
        ('head.to_content.weight', 'head.to_content.bias', 'queries'),
        content_layer,
    ),
    Rule('model.transformer_module.level_embed.weight', 'head.level_embed'),
    Rule(
        f'{_LAYER}cross_attn.in_proj_**',
        tuple(f'head.layers.*.cross.{part}.**' for part in ('query', 'key', 'value')),
    ),
    Rule(f'{_LAYER}cross_attn.out_proj.**', 'head.layers.*.cross.out.**'),
    Rule(f'{_LAYER}cross_attn_layer_norm.**', 'head.layers.*.cross_norm.**'),
    Rule(f'{_LAYER}self_attn.q_proj.**', 'head.layers.*.own.query.**'),
    Rule(f'{_LAYER}self_attn.k_proj.**', 'head.layers.*.own.key.**'),
    Rule(f'{_LAYER}self_attn.v_proj.**', 'head.layers.*.own.value.**'),
    Rule(f'{_LAYER}self_attn.out_proj.**', 'head.layers.*.own.out.**'),
    Rule(f'{_LAYER}self_attn_layer_norm.**', 'head.layers.*.own_norm.**'),
    Rule(f'{_LAYER}final_layer_norm.**', 'head.layers.*.ffn_norm.**'),
    Rule(f'{_LAYER}**', 'head.layers.*.**'),
    Rule(f'{_DECODER}layernorm.**', 'head.norm.**'),
    *(
        Rule(f'{_DECODER}mask_predictor.mask_embedder.{i}.0.**', f'head.to_mask.{2 * i}.**')
        for i in range(3)
    ),
    Rule('class_predictor.**', 'head.classify.**'),
)
