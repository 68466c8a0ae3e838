# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Files that transformers writes, converted, give the same numbers in our modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.model.checkpoint import load_strictly, read_foundation
from depthforge_ros.model.config import VitConfig
from depthforge_ros.model.dpt import DptHead
from depthforge_ros.model.layouts.files import convert_file
from depthforge_ros.model.layouts.sizes import (
    class_count,
    dpt_config,
    encoder_config,
    head_config,
    head_input,
)
from depthforge_ros.model.mask2former import Mask2FormerHead, mask_logits
from depthforge_ros.model.patch import to_map
from depthforge_ros.model.refinement import Level, Refined
from depthforge_ros.model.vit import VisionTransformer
import pytest
from support.parity import close, randomize, their_mask2former
import torch
from torch import Tensor

transformers = pytest.importorskip('transformers', reason='pip install -e .[test]')

SIZES = {
    'hidden_size': 128, 'num_hidden_layers': 4, 'num_attention_heads': 2, 'patch_size': 14,
    'image_size': 70,
}  # fmt: skip


def converted(theirs: Any, folder: Path, *, in_memory: bool = False) -> dict[str, Tensor]:
    """Save as the library saves, or as a user pickles what is in memory, and convert."""
    if in_memory:
        torch.save(theirs.state_dict(), folder / 'model.pth')
    else:
        theirs.save_pretrained(folder)
    source = folder / ('model.pth' if in_memory else 'model.safetensors')
    convert_file(
        source, folder / 'ours.safetensors', allow=('model.pixel_level_module.encoder.*',)
    )
    return read_foundation(folder / 'ours.safetensors')


def load(module: torch.nn.Module, tensors: dict[str, Tensor], part: str) -> Any:
    own = {k.removeprefix(part): v for k, v in tensors.items() if k.startswith(part)}
    load_strictly(module, own, source=Path(part))
    return module.eval()


def encode(encoder: VisionTransformer, image: Tensor) -> list[Tensor]:
    x, outputs = encoder.embed(image), []
    for block in encoder.blocks:
        x = block(x)
        outputs.append(x)
    return outputs


@pytest.mark.parametrize('in_memory', [False, True])
@pytest.mark.parametrize('registers', [0, 4])
@torch.no_grad()
def test_dinov2(tmp_path: Path, registers: int, in_memory: bool) -> None:
    kind = 'Dinov2WithRegisters' if registers else 'Dinov2'
    extra = {'num_register_tokens': registers} if registers else {}
    config = getattr(transformers, f'{kind}Config')(**SIZES, **extra)
    theirs = getattr(transformers, f'{kind}Model')(config).eval()
    randomize(theirs)
    tensors = converted(theirs, tmp_path, in_memory=in_memory)
    found = encoder_config(tensors, 'encoder.')
    assert found == VitConfig(128, 4, 2, position_grid=5, registers=registers)
    ours = load(VisionTransformer(found), tensors, 'encoder.')
    # Without registers transformers places resized positions otherwise; see test_parity_encoders.
    image = torch.randn(1, 3, 56, 84) if registers else torch.randn(1, 3, 70, 70)
    close(ours.norm(encode(ours, image)[-1]), theirs(image).last_hidden_state)


@torch.no_grad()
def test_depth_anything(tmp_path: Path) -> None:
    backbone = transformers.Dinov2Config(
        **SIZES, out_indices=[1, 2, 3, 4], reshape_hidden_states=False, apply_layernorm=True
    )
    theirs = transformers.DepthAnythingForDepthEstimation(
        transformers.DepthAnythingConfig(
            backbone_config=backbone, reassemble_hidden_size=128, patch_size=14,
            neck_hidden_sizes=[8, 12, 16, 20], fusion_hidden_size=8, head_hidden_size=32,
        )
    ).eval()  # fmt: skip
    randomize(theirs)
    tensors = converted(theirs, tmp_path)
    encoder = load(VisionTransformer(VitConfig(128, 4, 2, position_grid=5)), tensors, 'encoder.')
    head = load(DptHead(dpt_config(tensors, 4), 128), tensors, 'depth_head.')
    image = torch.randn(1, 3, 70, 70)
    maps = [to_map(encoder.norm(x)[:, 1:], (5, 5)) for x in encode(encoder, image)]
    close(head(maps, (70, 70)).depth_BHW, theirs(image).predicted_depth)


@torch.no_grad()
def test_mask2former(tmp_path: Path) -> None:
    theirs = their_mask2former()
    # Ours takes maps of one width; their decoder is made for those of their backbone.
    pixels = theirs.model.pixel_level_module.decoder
    for level in range(3):
        pixels.input_projections[level][0] = torch.nn.Conv2d(24, 32, 1)
    randomize(theirs)
    tensors = converted(theirs, tmp_path)
    ours = load(
        Mask2FormerHead(head_config(tensors), head_input(tensors), class_count(tensors)),
        tensors,
        'head.',
    )
    sizes = [(20, 28), (10, 14), (5, 7), (3, 4)]
    maps = [torch.randn(1, 24, *size) for size in sizes]
    levels = [Level(x, size) for x, size in zip(maps, sizes, strict=True)]
    seen = pixels(maps)
    expected = theirs.model.transformer_module(seen.multi_scale_features, seen.mask_features)
    output = ours(Refined(levels, None), tensors['queries'], every_layer=True)
    for index, layer in enumerate(output.layers):
        masks = mask_logits(layer.mask_embed_BMD, output.mask_features_BDhw)
        close(masks, expected.masks_queries_logits[index])
        hidden = expected.intermediate_hidden_states[index].transpose(0, 1)
        close(layer.class_logits_BMK, theirs.class_predictor(hidden))


def test_mask2former_over_maps_of_several_widths_is_refused(tmp_path: Path) -> None:
    swin = transformers.SwinConfig(
        embed_dim=24, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1],
        out_features=['stage1', 'stage2', 'stage3', 'stage4'],
    )  # fmt: skip
    config = transformers.Mask2FormerConfig(
        backbone_config=swin, feature_size=32, mask_feature_size=32, hidden_dim=32,
        encoder_layers=1, decoder_layers=2, num_attention_heads=4, num_queries=9, num_labels=6,
    )  # fmt: skip
    theirs = transformers.Mask2FormerForUniversalSegmentation(config)
    with pytest.raises(UserError, match='24, 48, 96, 192 channels, as Swin'):
        converted(theirs, tmp_path)
