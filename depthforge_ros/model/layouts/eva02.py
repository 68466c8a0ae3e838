# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""EVA02: timm's names, which are ours, and those of the official code and of Rein."""

from __future__ import annotations

from depthforge_ros.model.layouts.rules import Rule

TIMM = (
    Rule('mask_token', None),
    Rule('head.**', None),
    # timm names the last norm after what follows it: a pooling, or nothing.
    Rule('fc_norm.**', 'norm.**'),
    Rule('**', '**'),
)

OFFICIAL = (
    Rule('mask_token', None),
    Rule('lm_head.**', None),
    # Constants that follow from the sizes.
    Rule('rope.freqs_cos', None),
    Rule('rope.freqs_sin', None),
    Rule('blocks.*.attn.rope.**', None),
    Rule('blocks.*.attn.q_bias', 'blocks.*.attn.q_proj.bias'),
    Rule('blocks.*.attn.v_bias', 'blocks.*.attn.v_proj.bias'),
    Rule('blocks.*.mlp.w1.**', 'blocks.*.mlp.fc1_g.**'),
    Rule('blocks.*.mlp.w2.**', 'blocks.*.mlp.fc1_x.**'),
    Rule('blocks.*.mlp.ffn_ln.**', 'blocks.*.mlp.norm.**'),
    Rule('blocks.*.mlp.w3.**', 'blocks.*.mlp.fc2.**'),
    Rule('**', '**'),
)
