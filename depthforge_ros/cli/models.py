# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge models`."""

from __future__ import annotations

import argparse
from typing import Any, TYPE_CHECKING

from depthforge_ros.cli.common import add_json_argument, write_json
from depthforge_ros.errors import UserError

if TYPE_CHECKING:
    from depthforge_ros.model.registry import ModelEntry

HELP = 'list models, their weights, licences and whether they are on this machine'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Load each model that can be loaded, and print all."""
    from depthforge_ros.model.manifest import read_manifest
    from depthforge_ros.model.registry import MODELS

    figures = {entry.name: _figures(entry) for entry in MODELS.values()}
    for name, entry in MODELS.items():
        _print(entry, figures[name])
    print('\nfoundation weights that `depthforge fetch` gets')
    for foundation in read_manifest().values():
        print(f'  {foundation.name:<42} {foundation.terms}')
    write_json(args.json, figures)
    return 0


def _figures(entry: ModelEntry) -> dict[str, Any]:
    from depthforge_ros.model.registry import load_model, outline, plan

    network, (_, label_space) = outline(entry.name), plan(entry.name)
    figures = {
        'licence': entry.terms,
        'summary': entry.summary,
        'foundations': list(entry.foundations),
        'label_space': label_space.name,
        'parameters': sum(one.numel() for one in network.parameters()),
        'token_parameters': sum(
            one.numel() for name, one in network.named_parameters() if name.startswith('tokens.')
        ),
    }
    try:
        load_model(entry.name)
    except UserError as error:
        return {**figures, 'available': False, 'remedy': str(error)}
    return {**figures, 'available': True}


def _print(entry: ModelEntry, figures: dict[str, Any]) -> None:
    print(f'{entry.name}: {entry.summary}')
    print(f'  licence     {figures["licence"]}')
    print(f'  classes     {figures["label_space"]}')
    print(f'  parameters  {figures["parameters"]:,}, of which {figures["token_parameters"]:,} '
          'in tokens and their projections')  # fmt: skip
    print('  available   ' + ('yes' if figures['available'] else f'no: {figures["remedy"]}'))
