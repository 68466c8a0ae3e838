# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge convert`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'convert weights of DINOv2, EVA02, Depth Anything V2, Rein, DepthForge or Mask2Former'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('checkpoint', type=Path, help='.safetensors, .pth or .pt file')
    parser.add_argument('--output', type=Path, required=True, metavar='FILE',
                        help='.safetensors file to write')  # fmt: skip
    parser.add_argument('--allow', nargs='+', default=[], metavar='PATTERN',
                        help='names of tensors, with * and ?, that may be left over or lacking'
                        )  # fmt: skip
    parser.add_argument('--visual', metavar='NAME',
                        help='foundation of the visual stream, where a Rein or DepthForge '
                        'checkpoint leaves it out; by default DINOv2 of its width')  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Convert, and say what came out."""
    from depthforge_ros.model.layouts.files import convert_file

    made = convert_file(args.checkpoint, args.output, allow=args.allow, visual=args.visual)
    print(f'{args.checkpoint}: {made.layout}')
    print(f'{args.output}: {made.content}, {made.tensors} tensors')
    return 0
