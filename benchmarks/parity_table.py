# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Our parts at their published sizes against independent implementations, on random weights.

The others are those of `transformers`, whose weights come to ours through the converter that
users call, and for EVA02 the NumPy reference of the tests. What the tests check on small networks
block by block is here one figure for each part: the largest difference of its answer in fp32,
divided by the largest value of the other's answer where that is above 1. Run from the repository
root: python benchmarks/parity_table.py [--only NAME]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import dataclasses
from pathlib import Path
import sys
from typing import Any, NamedTuple

from depthforge_ros.model import vit
from depthforge_ros.model.checkpoint import load_strictly
from depthforge_ros.model.config import HeadConfig, VitConfig
from depthforge_ros.model.dpt import DptHead
from depthforge_ros.model.eva02 import Eva02
from depthforge_ros.model.layouts.convert import convert_part, detect
from depthforge_ros.model.layouts.sizes import class_count, encoder_config, head_config, head_input
from depthforge_ros.model.mask2former import Mask2FormerHead, mask_logits
from depthforge_ros.model.patch import to_map
from depthforge_ros.model.presets import EVA02_LARGE, PRESETS
from depthforge_ros.model.refinement import Level, Refined
from depthforge_ros.model.vit import VisionTransformer
from report import write_report
import torch
from torch import nn, Tensor
import transformers

sys.path.append('test')
from support.eva02_reference import eva02_blocks
from support.parity import randomize

RESULTS = Path('benchmarks/results/parity.json')
SIZES = ((518, 518), (364, 476), (224, 392))
"""Height and width in pixels; the first is the grid that positions are stored for."""
EVA02_SIZES = ((224, 224), (112, 196))
"""Smaller: the reference goes patch by patch in Python."""
VITS = ('depthforge_small', 'depthforge_base', 'depthforge_large')
LETTERS = dict(zip(VITS, 'SBL', strict=True))
CLASSES = 19
MAX_DEPTH_M = 80.0
TARGET = 1e-4


class Row(NamedTuple):
    """One line of the table."""

    part: str
    models: str
    """Named models that have it."""
    size: str
    max_error: float


def main() -> int:
    """Compare, print the table and write the figures; exit code 1 above the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', default='', help='parts whose name contains this')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    args = parser.parse_args()
    # transformers leaves out the offset that official DINOv2 without registers adds.
    vit.POSITION_OFFSET = 0.0
    rows: list[Row] = []
    print('| part | models | size | max error |\n|---|---|---|---|')
    with torch.inference_mode():
        for row in _rows(args.only):
            rows.append(row)
            print(f'| {row.part} | {row.models} | {row.size} | {row.max_error:.1e} |', flush=True)
            _write(args.json, rows)
    return int(any(row.max_error > TARGET for row in rows))


def _write(path: Path, rows: list[Row]) -> None:
    figures = {
        'versions': f'torch {torch.__version__}, transformers {transformers.__version__}',
        'target': TARGET,
        'rows': [row._asdict() for row in rows],
    }
    write_report(path, figures)


def _rows(only: str) -> Iterator[Row]:
    for name in VITS:
        letter = LETTERS[name]
        for registers in (0, 4):
            part = f'DINOv2-{letter}' + (' with registers' if registers else '')
            yield from _dinov2(part, name, registers) if only in part else ()
        for metric in (False, True):
            part = f'Depth Anything V2 {letter}' + (', metric' if metric else '')
            yield from _depth_anything(part, name, metric) if only in part else ()
        part = f'Mask2Former on width {PRESETS[name].encoder.width}'
        yield from _mask2former(part, name) if only in part else ()
    yield from _eva02('EVA02-L') if only in 'EVA02-L' else ()


def _dinov2(part: str, name: str, registers: int) -> Iterator[Row]:
    kind = 'Dinov2WithRegisters' if registers else 'Dinov2'
    extra = {'num_register_tokens': registers} if registers else {}
    config = getattr(transformers, f'{kind}Config')(**_vit(name), **extra)
    theirs = getattr(transformers, f'{kind}Model')(config).eval()
    randomize(theirs)
    ours = _encoder(_converted(theirs))
    for size in SIZES:
        image = torch.randn(1, 3, *size)
        error = _error(ours.norm(_blocks(ours, image)[-1]), theirs(image).last_hidden_state)
        yield Row(part, name, _text(size), error)


def _depth_anything(part: str, name: str, metric: bool) -> Iterator[Row]:
    preset = PRESETS[name]
    taps = preset.depth_taps
    backbone = transformers.Dinov2Config(
        **_vit(name), out_indices=[1 + tap for tap in taps], reshape_hidden_states=False
    )
    theirs = transformers.DepthAnythingForDepthEstimation(
        transformers.DepthAnythingConfig(
            backbone_config=backbone, reassemble_hidden_size=preset.encoder.width,
            neck_hidden_sizes=list(preset.dpt.out_channels),
            fusion_hidden_size=preset.dpt.features,
            depth_estimation_type='metric' if metric else 'relative',
            max_depth=int(MAX_DEPTH_M) if metric else 1,
        )
    ).eval()  # fmt: skip
    randomize(theirs)
    tensors = _converted(theirs)
    encoder = _encoder(tensors)
    config = dataclasses.replace(preset.dpt, max_depth_m=MAX_DEPTH_M if metric else 0.0)
    head = _load(DptHead(config, preset.encoder.width), tensors, 'depth_head.')
    also = ', depthforge_eva02_large' if name == 'depthforge_large' else ''
    for size in SIZES:
        image = torch.randn(1, 3, *size)
        blocks = _blocks(encoder, image)
        grid = size[0] // 14, size[1] // 14
        maps = [to_map(encoder.norm(blocks[tap])[:, 1:], grid) for tap in taps]
        yield Row(
            part, name + also, _text(size), _error(head(maps, size).depth_BHW, theirs(image)[0])
        )


def _mask2former(part: str, name: str) -> Iterator[Row]:
    width, head = PRESETS[name].encoder.width, HeadConfig()
    theirs = transformers.Mask2FormerForUniversalSegmentation(
        transformers.Mask2FormerConfig(
            backbone_config=transformers.SwinConfig(
                # Its maps are not used: the decoders get those of our encoder's width.
                embed_dim=24, depths=[1] * 4, num_heads=[1] * 4,
                out_features=['stage1', 'stage2', 'stage3', 'stage4'],
            ),
            feature_size=head.width, mask_feature_size=head.width, hidden_dim=head.width,
            encoder_feedforward_dim=head.pixel_ffn, encoder_layers=head.pixel_layers,
            decoder_layers=head.decoder_layers + 1, dim_feedforward=head.decoder_ffn,
            num_attention_heads=head.attention_heads, num_queries=100, num_labels=CLASSES,
        )
    ).eval()  # fmt: skip
    pixels = theirs.model.pixel_level_module.decoder
    for level in range(3):
        pixels.input_projections[level][0] = nn.Conv2d(width, head.width, 1)
    pixels.adapter_1[0] = nn.Conv2d(width, head.width, 1, bias=False)
    randomize(theirs)
    tensors = _converted(theirs)
    made = Mask2FormerHead(head_config(tensors), head_input(tensors), class_count(tensors))
    ours = _load(made, tensors, 'head.')
    also = ', depthforge_eva02_large' if name == 'depthforge_large' else ''
    for size in SIZES:
        grid = size[0] // 14, size[1] // 14
        finest = 4 * grid[0], 4 * grid[1]
        sizes = [(finest[0] // 2**i, finest[1] // 2**i) for i in range(4)]
        maps = [torch.randn(1, width, *one) for one in sizes]
        seen = pixels(maps)
        expected = theirs.model.transformer_module(seen.multi_scale_features, seen.mask_features)
        levels = [Level(x, one) for x, one in zip(maps, sizes, strict=True)]
        output = ours(Refined(levels, None), tensors['queries'], every_layer=True)
        errors = [
            _error(mask_logits(layer.mask_embed_BMD, output.mask_features_BDhw), masks)
            for layer, masks in zip(output.layers, expected.masks_queries_logits, strict=True)
        ]
        yield Row(part, name + also, _text(size), max(errors))


def _eva02(part: str) -> Iterator[Row]:
    ours = Eva02(EVA02_LARGE).eval()
    randomize(ours)
    state = {name: value.double().numpy() for name, value in ours.state_dict().items()}
    for size in EVA02_SIZES:
        image = torch.randn(1, 3, *size)
        expected = eva02_blocks(
            state, image[0].double().numpy(), heads=EVA02_LARGE.heads, patch=EVA02_LARGE.patch,
            rope_grid=EVA02_LARGE.rope_grid,
        )[-1]  # fmt: skip
        answer = _blocks(ours, image)[-1]
        yield Row(
            part, 'depthforge_eva02_large', _text(size),
            _error(answer[0], torch.from_numpy(expected).float()),
        )  # fmt: skip


def _vit(name: str) -> dict[str, Any]:
    encoder = PRESETS[name].encoder
    return {
        'hidden_size': encoder.width, 'num_hidden_layers': encoder.depth,
        'num_attention_heads': encoder.heads, 'patch_size': encoder.patch,
        'image_size': encoder.patch * encoder.position_grid,
    }  # fmt: skip


def _converted(theirs: nn.Module) -> dict[str, Tensor]:
    tensors = theirs.state_dict()
    layout = detect(tensors, source='memory')
    allow = ('model.pixel_level_module.encoder.*',)
    return convert_part(tensors, layout, source=Path('memory'), allow=allow)


def _encoder(tensors: dict[str, Tensor]) -> VisionTransformer:
    config = encoder_config(tensors, 'encoder.')
    assert isinstance(config, VitConfig)
    return _load(VisionTransformer(config), tensors, 'encoder.')


def _load(module: Any, tensors: dict[str, Tensor], part: str) -> Any:
    own = {k.removeprefix(part): v for k, v in tensors.items() if k.startswith(part)}
    load_strictly(module, own, source=Path(part))
    return module.eval()


def _blocks(encoder: Any, image: Tensor) -> list[Tensor]:
    x, outputs = encoder.embed(image), []
    for block in encoder.blocks_for((image.shape[2] // 14, image.shape[3] // 14)):
        x = block(x)
        outputs.append(x)
    return outputs


def _error(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float((ours - theirs).abs().max()) / max(1.0, float(theirs.abs().max()))


def _text(size: tuple[int, int]) -> str:
    return f'{size[0]}x{size[1]}'


if __name__ == '__main__':
    sys.exit(main())
