# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge export`."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

from depthforge_ros.cli.common import (
    add_json_argument,
    add_network_arguments,
    network_request,
    write_json,
)

HELP = 'write a model as an ONNX file for other runtimes, and check it with onnxruntime'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_network_arguments(parser)
    parser.add_argument(
        '--output', type=Path, required=True, metavar='F.onnx', help='the file to write, in fp32'
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Export, compare, and tell what was written."""
    from depthforge_ros.engine.onnx_export import export_onnx
    from depthforge_ros.engine.torch_engine import load_or_outline, RANDOM

    request = network_request(args)
    loaded = load_or_outline(args.model)
    if loaded.fingerprint == RANDOM:
        print(
            f'depthforge: warning: {args.model} gets random weights, for its own are not here; '
            'the file is for trying a runtime, not for masks',
            file=sys.stderr,
        )
    agreement = export_onnx(
        loaded,
        request,
        args.output,
        report=lambda line: print(f'{line} ...', file=sys.stderr, flush=True),
    )
    size = sum(path.stat().st_size for path in args.output.parent.glob(f'{args.output.name}*'))
    print(f'onnxruntime and eager: {agreement}\nwritten: {args.output}, {size / 2**20:.0f} MiB')
    write_json(
        args.json,
        {
            'model': args.model,
            'weights': loaded.fingerprint,
            'height': request.height,
            'width': request.width,
            'batch': args.batch,
            'output': str(args.output),
            'bytes': size,
            'mask_agreement': agreement.mask,
            'depth_error': agreement.depth,
            'confidence_error': agreement.confidence,
            'entropy_error': agreement.entropy,
            'max_abs_error': agreement.max_abs_error,
        },
    )
    return 0
