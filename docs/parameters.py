# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Write the table of parameters.md from the node's declarations: `python docs/parameters.py`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from blocks import Blocks, table, write
from depthforge_ros.ros.parameters.definitions import is_runtime, NodeConfig, TYPE_NAMES

FILE = Path(__file__).with_suffix('.md')


def blocks() -> Blocks:
    """Return the table of parameters."""
    rows = []
    for one in fields(NodeConfig):
        within, choices = one.metadata['within'], one.metadata['choices']
        allowed = ', '.join(f'`{choice}`' for choice in choices) or TYPE_NAMES[type(one.default)]
        if within:
            allowed = f'{within[0]} to {within[1]}'
        default = list(one.default) if isinstance(one.default, tuple) else one.default
        mark = ' *' if is_runtime(one.name) else ''
        meaning = one.metadata['description']
        rows.append([f'`{one.name}`{mark}', f'`{default}`', allowed, meaning])
    return {'parameters': table('parameter|default|allowed|meaning', rows)}


if __name__ == '__main__':
    write(FILE, blocks())
