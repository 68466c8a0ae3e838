# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""DINOv2, with or without registers: the official state dict, and transformers' two classes."""

from __future__ import annotations

from depthforge_ros.model.layouts.rules import Rule

OFFICIAL = (
    Rule('mask_token', None),
    Rule('**', '**'),
)
"""Our names are the official ones; only pre-training uses the mask token."""

_BLOCK, _OURS = 'encoder.layer.*.', 'blocks.*.'

TRANSFORMERS = (
    Rule('embeddings.mask_token', None),
    Rule('embeddings.cls_token', 'cls_token'),
    Rule('embeddings.register_tokens', 'register_tokens'),
    Rule('embeddings.position_embeddings', 'pos_embed'),
    Rule('embeddings.patch_embeddings.projection.**', 'patch_embed.proj.**'),
    # As files have them, and as version 5 has them in memory.
    Rule(
        tuple(f'{_BLOCK}attention.attention.{part}.**' for part in ('query', 'key', 'value')),
        f'{_OURS}attn.qkv.**',
    ),
    Rule(
        tuple(f'{_BLOCK}attention.{part}_proj.**' for part in 'qkv'),
        f'{_OURS}attn.qkv.**',
    ),
    Rule(f'{_BLOCK}attention.output.dense.**', f'{_OURS}attn.proj.**'),
    Rule(f'{_BLOCK}attention.o_proj.**', f'{_OURS}attn.proj.**'),
    Rule(f'{_BLOCK}layer_scale1.lambda1', f'{_OURS}ls1.gamma'),
    Rule(f'{_BLOCK}layer_scale2.lambda1', f'{_OURS}ls2.gamma'),
    Rule(f'{_BLOCK}**', f'{_OURS}**'),
    Rule('layernorm.**', 'norm.**'),
)
