# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Ours against the same network put together from `transformers`, on CPU with random weights.

Theirs is Dinov2Backbone, DepthAnythingForDepthEstimation and the decoders of Mask2Former; ours has
the tokens and the refinement decoder on top of that. Each side is a process of its own and they
run in turn; ratios are of each pair, the median is quoted, with the smallest and the largest. Our
best setting includes an allocator that keeps freed memory, as all commands and the node set it.
Theirs would gain by it too, and more than ours: `ratio_best_to_theirs_kept` gives it to both.
Run from the repository root:
python benchmarks/vs_transformers.py [--quick]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
import dataclasses
from pathlib import Path
import statistics
import subprocess
import sys
import time
from typing import Any

from depthforge_ros.allocator import keep_freed_memory
from depthforge_ros.model.config import NetworkConfig
from depthforge_ros.model.network import DepthForge, MEAN, STD
from depthforge_ros.model.presets import PUBLISHED
from depthforge_ros.model.quantize import quantize
from report import machine, write_report
import torch
from torch import nn, Tensor
from torch.nn import functional
import transformers

RESULTS = Path('benchmarks/results/vs_transformers.json')
CLASSES = 19
SIZES = {'364x476': (364, 476), '518x1036': (518, 1036)}
PLAIN = ('theirs', 'ours')
"""Eagerly in fp32, with the C library's allocator as it is."""
SETTINGS = ('int8', 'compiled', 'theirs_kept')
"""Ours with linear layers in int8 or by torch.compile, with the allocator that keeps what is freed
(`depthforge_ros.allocator`); theirs with that allocator too."""
HEADER = (
    '| model | size | theirs, ms | ours, ms | ratio (min to max) | best | ratio (min to max) '
    '| ratio to theirs with our allocator | peak MiB, theirs / ours / best |\n' + '|---' * 9 + '|'
)
Run = Callable[[Tensor], Sequence[Tensor]]
"""RGB uint8 (B, H, W, 3) to class scores (B, K, H, W) and inverse depth (B, H, W)."""


class Assembly(nn.Module):
    """The parts of `transformers`, as its users would join them."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        encoder, head, dpt = config.encoder, config.head, config.dpt
        vit = {
            'hidden_size': encoder.width,
            'num_hidden_layers': encoder.depth,
            'num_attention_heads': encoder.heads,
            'patch_size': encoder.patch,
            'image_size': encoder.patch * encoder.position_grid,
            'out_indices': [tap + 1 for tap in config.taps],
        }
        self.backbone = transformers.Dinov2Backbone(
            transformers.Dinov2Config(**vit, apply_layernorm=False)
        )
        self.depth = transformers.DepthAnythingForDepthEstimation(
            transformers.DepthAnythingConfig(
                backbone_config=transformers.Dinov2Config(**vit, reshape_hidden_states=False),
                reassemble_hidden_size=encoder.width,
                neck_hidden_sizes=list(dpt.out_channels),
                fusion_hidden_size=dpt.features,
            )
        )
        model = transformers.Mask2FormerForUniversalSegmentation(
            transformers.Mask2FormerConfig(
                backbone_config=transformers.SwinConfig(
                    # Only its widths count: the pixel decoder takes them from the backbone.
                    embed_dim=24, depths=[1] * 4, num_heads=[1] * 4,
                    out_features=['stage1', 'stage2', 'stage3', 'stage4'],
                ),
                feature_size=head.width, mask_feature_size=head.width, hidden_dim=head.width,
                encoder_feedforward_dim=head.pixel_ffn, encoder_layers=head.pixel_layers,
                decoder_layers=head.decoder_layers + 1, dim_feedforward=head.decoder_ffn,
                num_attention_heads=head.attention_heads, num_queries=config.tokens.count,
                num_labels=CLASSES,
            )
        )  # fmt: skip
        self.pixels = model.model.pixel_level_module.decoder
        self.queries = model.model.transformer_module
        self.classify = model.class_predictor
        _fit_channels(self.pixels, encoder.width, head.width)
        self.mean, self.std = (torch.tensor(x).view(3, 1, 1) for x in (MEAN, STD))

    def forward(self, image_BHW3: Tensor) -> tuple[Tensor, Tensor]:
        """Answer as our network does."""
        size = image_BHW3.shape[1:3]
        image_B3HW = image_BHW3.permute(0, 3, 1, 2) / 255.0
        image_B3HW = (image_B3HW - self.mean) / self.std
        maps = self.backbone(image_B3HW).feature_maps
        scales = (4.0, 2.0, 1.0, 0.5)
        pyramid = [
            x if scale == 1.0 else functional.interpolate(x, scale_factor=scale, mode='bilinear')
            for x, scale in zip(maps, scales, strict=True)
        ]
        pixels = self.pixels(pyramid)
        decoded = self.queries(pixels.multi_scale_features, pixels.mask_features)
        classes = self.classify(decoded.last_hidden_state.transpose(0, 1)).softmax(-1)[..., :-1]
        masks = decoded.masks_queries_logits[-1].sigmoid()
        scores = torch.einsum('bqc,bqhw->bchw', classes, masks)
        scores = functional.interpolate(scores, size=size, mode='bilinear', align_corners=False)
        return scores, self.depth(image_B3HW).predicted_depth


def _fit_channels(pixels: nn.Module, width: int, head: int) -> None:
    """Make the pixel decoder's input projections for maps of an encoder's width."""
    pixels.input_projections = nn.ModuleList(
        nn.Sequential(nn.Conv2d(width, head, 1), nn.GroupNorm(32, head)) for _ in range(3)
    )
    adapter = nn.Sequential(nn.Conv2d(width, head, 1, bias=False), nn.GroupNorm(32, head))
    pixels.adapter_1 = adapter
    pixels.lateral_convolutions = [adapter]


def main() -> int:
    """Measure, print the table and write the figures."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    if args.side:
        return _serve(args)
    rows = []
    print(HEADER)
    for model in args.models:
        for size in args.sizes:
            rows.append(measure(model, size, args))
            print(line(rows[-1]), flush=True)
    figures = {
        'machine': f'{machine(args.threads)}, transformers {transformers.__version__}',
        'ratio_same_dtype': min(row['ratio_same_dtype'] for row in rows),
        'ratio_best': min(row['ratio_best'] for row in rows),
        'rows': rows,
    }
    write_report(args.json, figures)
    return 0


def measure(model: str, size: str, args: argparse.Namespace) -> dict[str, Any]:
    """Time one model at one size."""
    sides = {name: Side(name, model, size, args.threads) for name in (*PLAIN, *args.settings)}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(args.turns + 1):
        for name, side in sides.items():
            elapsed_s = side.run()
            if turn:
                seconds[name].append(elapsed_s)
    peaks = {name: side.close() for name, side in sides.items()}

    def ratios(name: str, of: str = 'theirs') -> list[float]:
        return [theirs / own for theirs, own in zip(seconds[of], seconds[name], strict=True)]

    candidates = [name for name in args.settings if name != 'theirs_kept']
    best = max(candidates, key=lambda name: statistics.median(ratios(name)), default='ours')
    row = {
        'model': model,
        'size': size,
        'dtype': 'float32',
        'ms': {name: 1e3 * statistics.median(times) for name, times in seconds.items()},
        **_ratio('ratio_same_dtype', ratios('ours')),
        **_ratio('ratio_best', ratios(best)),
        'best': best,
        'turns': args.turns,
        'peak_mib': peaks,
    }
    if 'theirs_kept' in args.settings:
        row |= _ratio('ratio_best_to_theirs_kept', ratios(best, 'theirs_kept'))
    return row


def _ratio(name: str, values: Sequence[float]) -> dict[str, Any]:
    return {name: statistics.median(values), f'{name}_spread': (min(values), max(values))}


class Side:
    """A process of its own for one side, so that each has its allocator and its peak memory."""

    def __init__(self, name: str, model: str, size: str, threads: int) -> None:
        command = [sys.executable, __file__, '--side', name, '--models', model, '--sizes', size]
        self._process = subprocess.Popen(
            [*command, '--threads', str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self) -> float:
        """Let it answer one image, and wait for it: seconds."""
        return self._ask('run')

    def close(self) -> float:
        """End it: peak memory, MiB."""
        peak_mib = self._ask('peak')
        self._process.communicate()
        return peak_mib

    def _ask(self, what: str) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(what, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())


def _serve(args: argparse.Namespace) -> int:
    """Be one side: answer what `Side` asks."""
    run = build(args.side, args.models[0])
    image = _image(args.sizes[0])
    for line in sys.stdin:
        if line.strip() == 'peak':
            print(_peak_mib(), flush=True)
            continue
        start = time.perf_counter()
        with torch.inference_mode():
            run(image)
        print(time.perf_counter() - start, flush=True)
    return 0


def build(side: str, model: str) -> Run:
    """Make one side's network, with random weights, as a function of a normalised image."""
    config = PUBLISHED[model]
    torch.manual_seed(0)
    if side not in PLAIN:
        keep_freed_memory()
    if side.startswith('theirs'):
        assembly: Run = Assembly(config).eval()
        return assembly
    head = dataclasses.replace(config.head, gate_on='grid')
    network = DepthForge(dataclasses.replace(config, head=head), CLASSES).eval().fold()
    if side == 'int8':
        quantize(network)
    ours: Run = torch.compile(network) if side == 'compiled' else network
    return ours


def _image(size: str) -> Tensor:
    return torch.randint(0, 256, (1, *SIZES[size], 3), dtype=torch.uint8)


def line(row: Mapping[str, Any]) -> str:
    """Lay the figures of one model and size out as a line of a Markdown table."""
    names = ('ratio_same_dtype', 'ratio_best', 'ratio_best_to_theirs_kept')
    same, best, kept = (
        f'{row[name]:.2f} ({row[f"{name}_spread"][0]:.2f} to {row[f"{name}_spread"][1]:.2f})'
        if name in row
        else '-'
        for name in names
    )
    peaks = ' / '.join(f'{row["peak_mib"][side]:.0f}' for side in (*PLAIN, row['best']))
    return (
        f'| {row["model"]} | {row["size"]} | {row["ms"]["theirs"]:.0f} | {row["ms"]["ours"]:.0f} '
        f'| {same} | {row["best"]} | {best} | {kept} | {peaks} |'
    )


def _peak_mib() -> float:
    # Not getrusage: that figure begins with the peak of the process that started this one.
    status = Path('/proc/self/status').read_text()
    peak = next(line for line in status.splitlines() if line.startswith('VmHWM:'))
    return float(peak.split()[1]) / 1024.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    models = ['depthforge_small', 'depthforge_base']
    parser.add_argument('--models', nargs='+', choices=PUBLISHED, default=models)
    parser.add_argument('--sizes', nargs='+', choices=SIZES, default=list(SIZES))
    parser.add_argument('--settings', nargs='*', choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument('--turns', type=int, default=7, help='measured pairs after a warm-up')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument(
        '--quick', action='store_true', help='small model, small size, fp32 and int8'
    )
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    parser.add_argument('--side', choices=(*PLAIN, *SETTINGS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quick:
        args.models, args.sizes, args.settings = models[:1], list(SIZES)[:1], ['int8']
        args.turns = min(args.turns, 3)
    return args


if __name__ == '__main__':
    sys.exit(main())
