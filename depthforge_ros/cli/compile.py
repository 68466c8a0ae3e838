# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge compile`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
import signal
import sys
import threading
import time
from typing import Any, TYPE_CHECKING

from depthforge_ros.cli.common import (
    add_json_argument,
    add_network_arguments,
    network_request,
    write_json,
)
from depthforge_ros.errors import UserError

if TYPE_CHECKING:
    from depthforge_ros.engine.agreement import Agreement
    from depthforge_ros.engine.artefact import Request

HELP = 'build an engine ahead of time, prove it against eager and store it for this machine'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_network_arguments(parser)
    parser.add_argument(
        '--engine', required=True, help='openvino (CPU), inductor (CPU or GPU) or tensorrt (GPU)'
    )
    parser.add_argument(
        '--precision',
        default='fp32',
        help='fp32, bf16 or fp16; fp8 with tensorrt and modelopt; on CPUs fp32, and bf16 where '
        'the CPU has units for it',
    )
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='with tensorrt: do what needs no GPU, nor trained weights: count what it converts, '
        'build with its RTX flavour and compare with eager, and store nothing',
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Build, or count."""
    request = network_request(args, args.precision)
    figures = _dry_run(args, request) if args.dry_run else _build(args, request)
    write_json(args.json, figures)
    if refusal := figures.get('refusal'):
        raise UserError(refusal)
    return 0


def _build(args: argparse.Namespace, request: Request) -> dict[str, Any]:
    from depthforge_ros.engine import COMPILERS
    from depthforge_ros.engine.build import build
    from depthforge_ros.engine.torch_engine import load

    if args.engine not in COMPILERS:
        raise UserError(f'--engine {args.engine!r} is not compiled; choose {", ".join(COMPILERS)}')
    begun_s = time.monotonic()
    loaded = load(args.model, device=args.device)
    with _cancellable() as report:
        artefact, agreement = build(COMPILERS[args.engine], loaded, request, report=report)
    seconds = time.monotonic() - begun_s
    print(f'{agreement}\nstored after {seconds:.0f} s: {artefact.program}')
    return {
        'model': args.model,
        'engine': args.engine,
        'program': str(artefact.program),
        'fingerprint': dict(artefact.fingerprint),
        'build_s': seconds,
        'ms': artefact.ms,
        'other_ms': artefact.other_ms,
        **_of_agreement(agreement),
    }


def _dry_run(args: argparse.Namespace, request: Request) -> dict[str, Any]:
    from depthforge_ros.engine.tensorrt.dry_run import dry_run
    from depthforge_ros.engine.torch_engine import load_or_outline, RANDOM

    if args.engine != 'tensorrt':
        raise UserError(f'--dry-run is for --engine tensorrt, not {args.engine}; leave it out')
    loaded = load_or_outline(args.model)
    with _cancellable() as report:
        found = dry_run(loaded, request, report=report)
    coverage, built = found.coverage, found.built
    is_random = loaded.fingerprint == RANDOM
    print(
        f'{args.model} {request}: {coverage.converted} of {coverage.operators} operators '
        f'converted, {coverage.engines} engine(s)'
        + (', of random weights, for its own are not here' if is_random else '')
    )
    for name, count in coverage.left_out.items():
        print(f'  left out: {name}, {count} times')
    figures = {
        'model': args.model,
        'weights': loaded.fingerprint,
        'height': request.height,
        'width': request.width,
        'batch': args.batch,
        'precision': request.precision,
        **asdict(coverage),
    }
    if coverage.left_out:
        figures['refusal'] = 'TensorRT cannot convert the whole network; use --engine inductor'
    if built is not None:
        print(f'  built; its network run on the CPU: {built.agreement}')
        figures.update(
            engine_bytes=built.engine_bytes,
            is_near=built.agreement.is_near,
            **_of_agreement(built.agreement),
            feature_error=built.feature_error,
        )
        if not built.agreement.is_near and not is_random:
            figures['refusal'] = f'the engine would not be stored: {built.agreement}'
    return figures


def _of_agreement(agreement: Agreement) -> dict[str, float]:
    return {
        'mask_agreement': agreement.mask,
        'depth_error': agreement.depth,
        'confidence_error': agreement.confidence,
        'entropy_error': agreement.entropy,
        'max_abs_error': agreement.max_abs_error,
    }


@contextmanager
def _cancellable() -> Iterator[Callable[[str], None]]:
    """Give a function that prints each step, or ends the build that swallowed a ctrl-C."""
    is_cancelled = False

    def cancel(number: int, frame: Any) -> None:
        nonlocal is_cancelled
        is_cancelled = True
        signal.default_int_handler(number, frame)

    def report(line: str) -> None:
        if is_cancelled:
            raise KeyboardInterrupt
        print(f'{line} ...', file=sys.stderr, flush=True)

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, cancel) if is_main else None
    try:
        yield report
    except Exception:
        if is_cancelled:  # and a compiler made an error of its own of that
            raise KeyboardInterrupt from None
        raise
    finally:
        if is_main:
            signal.signal(signal.SIGINT, before)
