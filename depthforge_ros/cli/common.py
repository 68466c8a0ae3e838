# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Options and figures that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

from depthforge_ros.errors import UserError

DEFAULT_MODEL = 'depthforge_tiny'


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--json FILE`."""
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures to FILE')


def add_engine_arguments(
    parser: argparse.ArgumentParser, *, default_model: str | None = DEFAULT_MODEL
) -> None:
    """Add the options that `load_engine` takes."""
    parser.add_argument(
        '--model',
        default=default_model,
        help='name of a model, see `depthforge models`, or path of a checkpoint',
    )
    parser.add_argument('--engine', default='auto', help='what runs the model: auto, eager, null')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument(
        '--short-side',
        type=int,
        metavar='PIXELS',
        help="short side of the network input, pixels; without it the checkpoint's own",
    )


def write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write the figures where `--json` says, if it says so."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=2, allow_nan=False) + '\n', encoding='utf-8')
    except OSError as error:
        raise UserError(
            f'--json {path} cannot be written ({error.strerror}); choose another place'
        ) from error
