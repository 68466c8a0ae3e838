# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge fetch`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "get a model's foundation weights, check them and convert them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('name', help='model, see `depthforge models`, or foundation weights, see '
                        'models/manifest.yaml')  # fmt: skip
    parser.add_argument('--from', dest='source', type=Path, metavar='FILE',
                        help='take the published file from here instead of its address'
                        )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Fetch what is not there yet."""
    from depthforge_ros.model.fetch import fetch
    from depthforge_ros.model.manifest import read_manifest
    from depthforge_ros.model.registry import weights_directory

    for path in fetch(args.name, read_manifest(), weights_directory(), source=args.source):
        print(path)
    return 0
