# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Our modules against the independent ones of `transformers`, with the same random weights."""

from __future__ import annotations

from depthforge_ros.model.config import DptConfig, HeadConfig, VitConfig
from depthforge_ros.model.deformable import PixelDecoder
from depthforge_ros.model.dpt import DptHead, to_map
from depthforge_ros.model.mask2former import Mask2FormerHead, mask_logits
from depthforge_ros.model.refinement import Level
from depthforge_ros.model.vit import VisionTransformer
import pytest
import torch
from torch import Tensor

transformers = pytest.importorskip('transformers', reason='pip install -e .[test]')

TOLERANCE = 1e-4
SIZES = [(70, 70), (56, 98), (112, 42)]


def randomize(module: torch.nn.Module, seed: int = 0) -> None:
    """Give every parameter a value, so that none is tested at a trivial start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            spread = 0.5 / max(1.0, float(parameter[0].numel()) ** 0.5)
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(noise * spread if parameter.ndim > 1 else 1.0 + 0.3 * noise)


def close(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    scale = max(1.0, float(theirs.abs().max()))
    assert float((ours - theirs).abs().max()) < TOLERANCE * scale


def copy(ours: torch.nn.Module, theirs: torch.nn.Module, names: dict[str, str]) -> None:
    """Load our state from theirs; `names` replaces parts of our names, in order."""
    source = theirs.state_dict()
    state = {}
    for name in ours.state_dict():
        other = name
        for old, new in names.items():
            other = other.replace(old, new)
        state[name] = source[other]
    ours.load_state_dict(state)


VIT = VitConfig(width=48, depth=4, heads=4, patch=14, position_grid=5)


def dinov2() -> tuple[VisionTransformer, torch.nn.Module]:
    config = transformers.Dinov2Config(
        hidden_size=48,
        num_hidden_layers=4,
        num_attention_heads=4,
        patch_size=14,
        image_size=70,
        out_indices=[1, 2, 3, 4],
        apply_layernorm=False,
        reshape_hidden_states=False,
    )
    theirs = transformers.Dinov2Backbone(config).eval()
    randomize(theirs)
    ours = VisionTransformer(VIT).eval()
    state, source = {}, theirs.state_dict()
    for name in ours.state_dict():
        other = (
            name.replace('blocks.', 'encoder.layer.')
            .replace('attn.proj', 'attention.o_proj')
            .replace('ls1.gamma', 'layer_scale1.lambda1')
            .replace('ls2.gamma', 'layer_scale2.lambda1')
            .replace('patch_embed.proj', 'embeddings.patch_embeddings.projection')
            .replace('cls_token', 'embeddings.cls_token')
            .replace('pos_embed', 'embeddings.position_embeddings')
        )
        if name.startswith('norm.'):
            other = name.replace('norm.', 'layernorm.')
        if 'attn.qkv' in name:
            kind = name.rsplit('.', 1)[1]
            layer = other.split('.attn.')[0] + '.attention.'
            state[name] = torch.cat([source[f'{layer}{p}_proj.{kind}'] for p in 'qkv'])
        else:
            state[name] = source[other]
    ours.load_state_dict(state)
    return ours, theirs


@pytest.mark.parametrize('size', SIZES)
@torch.no_grad()
def test_encoder_is_dinov2(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    # transformers resizes the position embedding without upstream's offset of 0.1.
    monkeypatch.setattr('depthforge_ros.model.vit.POSITION_OFFSET', 0.0)
    ours, theirs = dinov2()
    image = torch.randn(2, 3, *size)
    x = ours.embed(image)
    for block, expected in zip(ours.blocks, theirs(image).feature_maps, strict=True):
        x = block(x)
        close(x[:, 1:], expected[:, 1:] if expected.shape == x.shape else expected)


@pytest.mark.parametrize('grid', [(5, 5), (4, 7), (8, 3)])
@torch.no_grad()
def test_depth_head_is_depth_anything(grid: tuple[int, int]) -> None:
    config = transformers.DepthAnythingConfig(
        backbone_config=transformers.Dinov2Config(
            hidden_size=48, num_hidden_layers=4, num_attention_heads=4, image_size=70,
            out_indices=[1, 2, 3, 4], reshape_hidden_states=False,
        ),
        reassemble_hidden_size=48, neck_hidden_sizes=[8, 16, 24, 32], fusion_hidden_size=16,
    )  # fmt: skip
    theirs = transformers.DepthAnythingForDepthEstimation(config).eval()
    randomize(theirs)
    ours = DptHead(DptConfig(features=16, out_channels=(8, 16, 24, 32)), 48).eval()
    names = {
        'projects.': 'neck.reassemble_stage.layers.',
        'resize_layers.': 'neck.reassemble_stage.layers.',
        'scratch.output_conv1': 'head.conv1',
        'scratch.output_conv2.0': 'head.conv2',
        'scratch.output_conv2.2': 'head.conv3',
    }
    for index in range(4):
        names[f'scratch.layer{index + 1}_rn'] = f'neck.convs.{index}'
        names[f'scratch.refinenet{index + 1}'] = f'neck.fusion_stage.layers.{3 - index}'
    names |= {'resConfUnit': 'residual_layer', 'out_conv': 'projection', '.conv': '.convolution'}
    source = theirs.state_dict()
    state = {}
    for name in ours.state_dict():
        other = name
        for old, new in names.items():
            if new == '.convolution' and 'residual_layer' not in other:
                continue
            other = other.replace(old, new)
        kind = {'projects': '.projection.', 'resize_layers': '.resize.'}.get(name.split('.')[0])
        if kind:
            head, last = other.rsplit('.', 1)
            other = f'{head}{kind}{last}'
        state[name] = source[other]
    ours.load_state_dict(state)
    maps = [torch.randn(2, 1 + grid[0] * grid[1], 48) for _ in range(4)]
    fused = theirs.neck(maps, *grid)
    expected = theirs.head(fused, *grid)
    depth = ours([to_map(x[:, 1:], grid) for x in maps], (14 * grid[0], 14 * grid[1]))
    assert float(expected.std()) > 0.0
    close(depth, expected)


HEAD = HeadConfig(
    width=32, attention_heads=4, pixel_layers=2, pixel_ffn=48, decoder_layers=4, decoder_ffn=40
)


def mask2former() -> tuple[Mask2FormerHead, torch.nn.Module]:
    config = transformers.Mask2FormerConfig(
        backbone_config=transformers.SwinConfig(
            embed_dim=24, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1],
            out_features=['stage1', 'stage2', 'stage3', 'stage4'],
        ),
        feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=48,
        encoder_layers=2, decoder_layers=5, dim_feedforward=40, num_attention_heads=4,
        num_queries=9, num_labels=6, dropout=0.0,
    )  # fmt: skip
    theirs = transformers.Mask2FormerForUniversalSegmentation(config).eval()
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
        [Level(x, size) for x, size in zip(maps, sizes, strict=True)]
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
        [Level(x, size) for x, size in zip(maps, sizes, strict=True)],
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
