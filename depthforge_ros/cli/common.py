# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Options and figures that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
import io
import json
from pathlib import Path
import re
import signal
import sys
from typing import Any, TYPE_CHECKING

from depthforge_ros.errors import UserError
from depthforge_ros.files import write_text

if TYPE_CHECKING:
    from depthforge_ros.engine import Engine
    from depthforge_ros.engine.artefact import Request

ENGINE_HELP = (
    'what runs the model: auto, eager, bf16, int8, cuda_graph, null, or openvino, inductor, '
    'tensorrt as `depthforge compile` stored them'
)
DEFAULT_MODEL = 'depthforge_tiny'
EXIT_INCOMPLETE = 3
"""Exit code of a command whose figures are of a part of its input."""


def catch(handler: Any) -> ExitStack:
    """Handle SIGTERM and SIGHUP, unless ignored as under `nohup`; closing puts back what did."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    caught = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]

    def once(number: int, frame: Any) -> None:
        # A terminal that closes sends SIGHUP twice; the second must not end the orderly end.
        for one in caught:
            signal.signal(one, lambda *_: None)
        handler(number, frame)

    undo = ExitStack()
    for one in caught:
        undo.callback(signal.signal, one, signal.signal(one, once))
    return undo


def print_odd_names() -> None:
    """Let stdout take names of files that hold bytes that are no text."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors='backslashreplace')


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--json FILE`."""
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures to FILE')


def add_white_level(parser: argparse.ArgumentParser) -> None:
    """Add `--white-level N`, which `main` sets for the whole command."""
    parser.add_argument(
        '--white-level',
        type=int,
        default=65535,
        metavar='N',
        help='value of white in images of 16 bits; 4095 for a camera of 12 bits',
    )


def use_white_level(level: int) -> None:
    """Read images of 16 bits so in what follows."""
    from depthforge_ros import frame

    if not 1 <= level <= frame.WHITE_LEVEL:
        raise UserError(f'--white-level is {level}; 1 to {frame.WHITE_LEVEL} is allowed')
    frame.reading = frame.Reading(level)


def report(line: str) -> None:
    """Print a line on stderr, above a progress bar."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)


def add_engine_arguments(
    parser: argparse.ArgumentParser, *, default_model: str | None = DEFAULT_MODEL
) -> None:
    """Add the options that `load_engine` takes."""
    parser.add_argument(
        '--model',
        default=default_model,
        help='name of a model, see `depthforge models`, or path of a checkpoint',
    )
    parser.add_argument('--engine', default='auto', help=ENGINE_HELP)
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument(
        '--short-side',
        type=int,
        metavar='PIXELS',
        help="short side of the network input, pixels; without it the checkpoint's own",
    )


def add_source_arguments(parser: argparse.ArgumentParser, *, output: str) -> None:
    """Add what `open_source` takes, the engine, and the folder for the results."""
    parser.add_argument(
        'inputs',
        nargs='+',
        type=Path,
        metavar='INPUT',
        help='image, folder of images, video or bag',
    )
    parser.add_argument('--output', type=Path, required=True, metavar='DIR', help=output)
    parser.add_argument('--topic', help='image topic of a bag; without it the only camera topic')
    add_engine_arguments(parser)
    add_white_level(parser)
    add_json_argument(parser)


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model and the size and batches of its input, for `network_request`."""
    parser.add_argument(
        '--model', default=DEFAULT_MODEL, help='name of a model, or path of a checkpoint'
    )
    parser.add_argument(
        '--height', type=int, required=True, help="rows of the network's input, pixels"
    )
    parser.add_argument(
        '--width', type=int, required=True, help="columns of the network's input, pixels"
    )
    parser.add_argument(
        '--batch', default='1', help='frames at once: a number, or a range such as 1-6'
    )


def network_request(args: argparse.Namespace, precision: str = 'fp32') -> Request:
    """Read what `add_network_arguments` declared."""
    from depthforge_ros.engine.artefact import Request

    batch = re.fullmatch(r'([1-9]\d*)(?:-([1-9]\d*))?', args.batch)
    least, most = (int(batch[1]), int(batch[2] or batch[1])) if batch else (2, 1)
    if least > most:
        raise UserError(f'--batch {args.batch} is no number or range; give one such as 1 or 1-6')
    return Request(args.height, args.width, least, most, precision)


def open_engine(args: argparse.Namespace, model: str) -> Engine:
    """Load a model into the engine that the options name; says which one `auto` took, and why."""
    from depthforge_ros.engine import load_engine

    engine = load_engine(model, engine=args.engine, device=args.device, short_side=args.short_side)
    if args.engine == 'auto':
        print(f'engine {engine.name}: {engine.reason}', file=sys.stderr)
    return engine


def exit_code(*, skipped: int = 0, damage: str | None = None) -> int:
    """Return 3 where less was read than the input promises, and say why; else 0."""
    if damage:
        warn([f'{damage}; read as far as it goes'])
    if skipped:
        warn([f'{skipped} frames could not be read and are left out'])
    return EXIT_INCOMPLETE if skipped or damage else 0


def warn(warnings: Iterable[str]) -> None:
    """Print a line on stderr for each."""
    for one in warnings:
        print(f'depthforge: warning: {one}', file=sys.stderr)


def write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write the figures where `--json` says, if it says so."""
    if path is None:
        return
    write_text(path, _lines(figures) + '\n')


def _lines(value: Any, depth: int = 0) -> str:
    """Write JSON with a line for each key and a single one for each list of numbers."""
    inner, outer = '  ' * (depth + 1), '  ' * depth
    if isinstance(value, Mapping) and value:
        parts = [f'{json.dumps(key)}: {_lines(one, depth + 1)}' for key, one in value.items()]
        return '{\n' + ',\n'.join(inner + part for part in parts) + f'\n{outer}}}'
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        parts = [json.dumps(one, allow_nan=False) for one in value]
        return '[\n' + ',\n'.join(inner + part for part in parts) + f'\n{outer}]'
    return json.dumps(value, allow_nan=False)
