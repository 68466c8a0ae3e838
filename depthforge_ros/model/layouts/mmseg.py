# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The published training code of Rein and DepthForge, with mmsegmentation's names.

Rein: github.com/w1oves/Rein. DepthForge: its code as published with the paper. Both store tokens
and head, and leave out the frozen encoders unless their script for whole weights put them in.
"""

from __future__ import annotations

from depthforge_ros.model.layouts import dinov2, eva02
from depthforge_ros.model.layouts.rules import Rule, under

_TOKENS = (
    Rule('learnable_tokens_a', 'a'),
    Rule('learnable_tokens_b', 'b'),
    Rule('scale', 'scale'),
    Rule('mlp_token2feat.**', 'to_feature.**'),
    Rule('mlp_delta_f.**', 'to_delta.**'),
    Rule('transform.**', 'to_query.**'),
    Rule('merge.**', 'merge.**'),
)
"""LoRAReins of Rein, DepthForgeReins of DepthForge."""

_GATES = (
    Rule('attention_gate.channel_attention.**', 'gates.0.channel.**'),
    Rule('attention_gate.spatial_attention.**', 'gates.0.spatial.0.**'),
    Rule('linear_fuse.**', 'fuse.**'),
)
"""DynamicQueryCorrectionModule of DepthForge: one gate for all four maps."""

_PIXELS = (
    Rule('input_convs.*.conv.**', 'inputs.*.**'),
    Rule('input_convs.*.gn.**', 'input_norms.*.**'),
    Rule('level_encoding.weight', 'level_embed'),
    Rule('encoder.layers.*.self_attn.**', 'layers.*.attention.**'),
    Rule('encoder.layers.*.norms.0.**', 'layers.*.norm1.**'),
    Rule('encoder.layers.*.ffn.layers.0.0.**', 'layers.*.fc1.**'),
    Rule('encoder.layers.*.ffn.layers.1.**', 'layers.*.fc2.**'),
    Rule('encoder.layers.*.norms.1.**', 'layers.*.norm2.**'),
    Rule('lateral_convs.0.conv.**', 'lateral.**'),
    Rule('lateral_convs.0.gn.**', 'lateral_norm.**'),
    Rule('output_convs.0.conv.**', 'output.**'),
    Rule('output_convs.0.gn.**', 'output_norm.**'),
    Rule('mask_feature.**', 'mask_projection.**'),
)
"""mmdet's MSDeformAttnPixelDecoder."""


def _attention(theirs: str, ours: str) -> tuple[Rule, ...]:
    parts = tuple(f'layers.*.{ours}.{part}.**' for part in ('query', 'key', 'value'))
    return (
        Rule(f'layers.*.{theirs}.attn.in_proj_**', parts),
        Rule(f'layers.*.{theirs}.attn.out_proj.**', f'layers.*.{ours}.out.**'),
    )


_LAYERS = (
    *_attention('cross_attn', 'cross'),
    *_attention('self_attn', 'own'),
    Rule('layers.*.norms.0.**', 'layers.*.cross_norm.**'),
    Rule('layers.*.norms.1.**', 'layers.*.own_norm.**'),
    Rule('layers.*.norms.2.**', 'layers.*.ffn_norm.**'),
    Rule('layers.*.ffn.layers.0.0.**', 'layers.*.fc1.**'),
    Rule('layers.*.ffn.layers.1.**', 'layers.*.fc2.**'),
    Rule('post_norm.**', 'norm.**'),
)
"""mmdet's Mask2FormerTransformerDecoder."""

_HEAD = (
    *under(_GATES, 'decode_head.DQCM.', 'refinement.'),
    *under(_PIXELS, 'decode_head.pixel_decoder.', 'head.pixel_decoder.'),
    *under(_LAYERS, 'decode_head.transformer_decoder.', 'head.'),
    Rule('decode_head.querys2feat.**', 'head.to_content.**'),
    Rule('decode_head.level_embed.weight', 'head.level_embed'),
    Rule('decode_head.cls_embed.**', 'head.classify.**'),
    Rule('decode_head.mask_embed.**', 'head.to_mask.**'),
)

_DINOV2 = under(dinov2.OFFICIAL, 'backbone.', 'visual_encoder.')
_EVA02 = under(eva02.OFFICIAL, 'backbone.', 'visual_encoder.')
_DEPTH = (
    *under(dinov2.OFFICIAL, 'backbone.depth_anything.pretrained.', 'depth_encoder.'),
    Rule('backbone.depth_anything.depth_head.**', 'depth_head.**'),
)

REIN = (*under(_TOKENS, 'backbone.reins.', 'tokens.'), *_HEAD, *_DINOV2)
REIN_EVA02 = (*under(_TOKENS, 'backbone.reins.', 'tokens.'), *_HEAD, *_EVA02)
DEPTHFORGE = (*under(_TOKENS, 'backbone.depthforge.', 'tokens.'), *_HEAD, *_DEPTH, *_DINOV2)
