# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the tests against independent implementations share."""

from __future__ import annotations

from typing import Any

from depthforge_ros.model.config import VitConfig
from depthforge_ros.model.vit import VisionTransformer
import torch
from torch import Tensor

TOLERANCE = 1e-4
SIZES = [(70, 70), (56, 98), (112, 42)]
"""Height and width in pixels; 70 x 70 is the grid that the test encoders store positions for."""


def randomize(module: torch.nn.Module, seed: int = 0) -> None:
    """Give every parameter a value, so that none is tested at a trivial start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            spread = 0.5 / max(1.0, float(parameter[0].numel()) ** 0.5)
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(noise * spread if parameter.ndim > 1 else 1.0 + 0.3 * noise)


def close(ours: Tensor, theirs: Tensor, tolerance: float = TOLERANCE) -> None:
    assert ours.shape == theirs.shape
    scale = max(1.0, float(theirs.abs().max()))
    assert float((ours - theirs).abs().max()) < tolerance * scale


def their_mask2former() -> Any:
    """Make the Mask2Former of transformers in miniature: 6 classes, 9 queries, maps 24 wide."""
    import transformers

    config = transformers.Mask2FormerConfig(
        backbone_config=transformers.SwinConfig(
            embed_dim=24, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1],
            out_features=['stage1', 'stage2', 'stage3', 'stage4'],
        ),
        feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=48,
        encoder_layers=2, decoder_layers=5, dim_feedforward=40, num_attention_heads=4,
        num_queries=9, num_labels=6, dropout=0.0,
    )  # fmt: skip
    return transformers.Mask2FormerForUniversalSegmentation(config).eval()


def from_transformers(theirs: torch.nn.Module, config: VitConfig) -> VisionTransformer:
    """Make our encoder with the weights of a DINOv2 backbone of transformers."""
    ours = VisionTransformer(config).eval()
    names = {
        'blocks.': 'encoder.layer.', 'attn.proj': 'attention.o_proj',
        'ls1.gamma': 'layer_scale1.lambda1', 'ls2.gamma': 'layer_scale2.lambda1',
        'patch_embed.proj': 'embeddings.patch_embeddings.projection',
        'cls_token': 'embeddings.cls_token', 'pos_embed': 'embeddings.position_embeddings',
        'register_tokens': 'embeddings.register_tokens',
    }  # fmt: skip
    state, source = {}, theirs.state_dict()
    for name in ours.state_dict():
        other = 'layernorm.' + name.removeprefix('norm.') if name.startswith('norm.') else name
        for old, new in names.items():
            other = other.replace(old, new)
        if 'attn.qkv' in name:
            layer, kind = other.split('attn.qkv.')
            parts = [source[f'{layer}attention.{part}_proj.{kind}'] for part in 'qkv']
            state[name] = torch.cat(parts)
        else:
            state[name] = source[other]
    ours.load_state_dict(state)
    return ours
