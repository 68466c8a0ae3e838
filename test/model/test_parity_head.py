# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Our Mask2Former head against that of `transformers`, with the same random weights."""

from __future__ import annotations

from depthforge_ros.model.config import HeadConfig
from depthforge_ros.model.deformable import PixelDecoder
from depthforge_ros.model.mask2former import Mask2FormerHead, mask_logits
from depthforge_ros.model.refinement import Level, Refined
import pytest
from support.parity import close, randomize, their_mask2former
import torch

pytest.importorskip('transformers', reason='pip install -e .[test]')

HEAD = HeadConfig(
    width=32, attention_heads=4, pixel_layers=2, pixel_ffn=48, decoder_layers=4, decoder_ffn=40
)


def mask2former() -> tuple[Mask2FormerHead, torch.nn.Module]:
    theirs = their_mask2former()
    randomize(theirs)
    ours = Mask2FormerHead(HEAD, 20, 6).eval()
    return ours, theirs


def load_pixel_decoder(ours: PixelDecoder, theirs: torch.nn.Module) -> None:
    """Their decoder was made for the channels of a backbone; ours are equal on all levels."""
    theirs.input_projections = torch.nn.ModuleList(
        torch.nn.Sequential(torch.nn.Conv2d(20, 32, 1), torch.nn.GroupNorm(32, 32))
        for _ in range(3)
    )
    adapter = torch.nn.Sequential(
        torch.nn.Conv2d(20, 32, 1, bias=False), torch.nn.GroupNorm(32, 32)
    )
    theirs.adapter_1 = adapter
    theirs.lateral_convolutions = [adapter]
    randomize(theirs, seed=1)
    names = {
        'lateral_norm': 'adapter_1.1', 'lateral': 'adapter_1.0',
        'output_norm': 'layer_1.1', 'output.': 'layer_1.0.', 'mask_projection': 'mask_projection',
        'layers.': 'encoder.layers.', 'attention.': 'self_attn.',
        'norm1': 'self_attn_layer_norm', 'norm2': 'final_layer_norm',
    }  # fmt: skip
    state, source = {}, theirs.state_dict()
    for name in ours.state_dict():
        other = name
        if name.startswith(('inputs.', 'input_norms.')):
            part, level, kind = name.split('.')
            other = f'input_projections.{level}.{0 if part == "inputs" else 1}.{kind}'
        else:
            for old, new in names.items():
                other = other.replace(old, new)
        state[name] = source[other]
    ours.load_state_dict(state)


@pytest.mark.parametrize('finest', [(16, 16), (20, 28), (24, 12)])
@torch.no_grad()
def test_pixel_decoder_is_mask2former(finest: tuple[int, int]) -> None:
    ours, theirs = mask2former()
    pixel_decoder = theirs.model.pixel_level_module.decoder
    load_pixel_decoder(ours.pixel_decoder, pixel_decoder)
    sizes = [(finest[0] // 2**i, finest[1] // 2**i) for i in range(4)]
    maps = [torch.randn(2, 20, *size) for size in sizes]
    expected = pixel_decoder(maps)
    features, levels = ours.pixel_decoder(
        Refined([Level(x, size) for x, size in zip(maps, sizes, strict=True)], None)
    )
    close(features, expected.mask_features)
    for level, other in zip(levels, expected.multi_scale_features, strict=True):
        close(level, other)


def load_decoder(ours: Mask2FormerHead, theirs: torch.nn.Module) -> None:
    module = theirs.model.transformer_module
    source = theirs.state_dict()
    prefix = 'model.transformer_module.'
    state = {k: v for k, v in ours.state_dict().items() if k.startswith('pixel_decoder.')}
    # Our initial content is a linear layer of the queries; here it is the identity.
    state |= {'to_content.weight': torch.eye(32), 'to_content.bias': torch.zeros(32)}
    state |= {'level_embed': module.level_embed.weight}
    for kind in ('weight', 'bias'):
        state[f'norm.{kind}'] = source[f'{prefix}decoder.layernorm.{kind}']
        state[f'classify.{kind}'] = source[f'class_predictor.{kind}']
        for index in range(3):
            state[f'to_mask.{2 * index}.{kind}'] = source[
                f'{prefix}decoder.mask_predictor.mask_embedder.{index}.0.{kind}'
            ]
        for index in range(4):
            layer = f'{prefix}decoder.layers.{index}.'
            fused = source[f'{layer}cross_attn.in_proj_{kind}'].chunk(3)
            for part, value in zip(('query', 'key', 'value'), fused, strict=True):
                state[f'layers.{index}.cross.{part}.{kind}'] = value
            pairs = {
                'cross.out': 'cross_attn.out_proj', 'cross_norm': 'cross_attn_layer_norm',
                'own.query': 'self_attn.q_proj', 'own.key': 'self_attn.k_proj',
                'own.value': 'self_attn.v_proj', 'own.out': 'self_attn.out_proj',
                'own_norm': 'self_attn_layer_norm', 'fc1': 'fc1', 'fc2': 'fc2',
                'ffn_norm': 'final_layer_norm',
            }  # fmt: skip
            for part, other in pairs.items():
                state[f'layers.{index}.{part}.{kind}'] = source[f'{layer}{other}.{kind}']
    ours.load_state_dict(state)


@pytest.mark.parametrize('finest', [(16, 16), (20, 28)])
@torch.no_grad()
def test_every_layer_of_the_head_is_mask2former(finest: tuple[int, int]) -> None:
    ours, theirs = mask2former()
    pixel_decoder = theirs.model.pixel_level_module.decoder
    load_pixel_decoder(ours.pixel_decoder, pixel_decoder)
    load_decoder(ours, theirs)
    module = theirs.model.transformer_module
    module.queries_features.weight.copy_(module.queries_embedder.weight)
    sizes = [(finest[0] // 2**i, finest[1] // 2**i) for i in range(4)]
    maps = [torch.randn(2, 20, *size) for size in sizes]
    pixels = pixel_decoder(maps)
    expected = module(pixels.multi_scale_features, pixels.mask_features)
    output = ours(
        Refined([Level(x, size) for x, size in zip(maps, sizes, strict=True)], None),
        module.queries_embedder.weight,
        every_layer=True,
    )
    assert len(output.layers) == len(expected.masks_queries_logits) == 5
    for index, layer in enumerate(output.layers):
        close(
            mask_logits(layer.mask_embed_BMD, output.mask_features_BDhw),
            expected.masks_queries_logits[index],
        )
        classes = theirs.class_predictor(
            expected.intermediate_hidden_states[index].transpose(0, 1)
        )
        close(layer.class_logits_BMK, classes)
