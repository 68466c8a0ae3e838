# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Write parameters.md from the node's own declarations: `python docs/parameters.py`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from depthforge_ros.ros.parameters import is_runtime, NodeConfig, TYPE_NAMES
from depthforge_ros.ros.topics import OUTPUTS

FILE = Path(__file__).with_suffix('.md')
HEAD = """# Parameters and outputs of the node

Written by `python docs/parameters.py` from the code; a test compares them. Parameters
marked with * change at once when they are set, the others are read at configure.

| parameter | default | allowed | meaning |
|---|---|---|---|
"""


def page() -> str:
    """Return the whole file."""
    rows = []
    for one in fields(NodeConfig):
        within, choices = one.metadata['within'], one.metadata['choices']
        allowed = ', '.join(f'`{choice}`' for choice in choices) or TYPE_NAMES[type(one.default)]
        if within:
            allowed = f'{within[0]} to {within[1]}'
        default = list(one.default) if isinstance(one.default, tuple) else one.default
        mark = ' *' if is_runtime(one.name) else ''
        meaning = one.metadata['description']
        rows.append(f'| `{one.name}`{mark} | `{default}` | {allowed} | {meaning} |\n')
    topics = ''.join(
        f'- `{topic}`\n' for topic in (*OUTPUTS.values(), '~/segmentation/label_info')
    )
    return f'{HEAD}{"".join(rows)}\nTopics that it publishes for each camera:\n\n{topics}'


if __name__ == '__main__':
    FILE.write_text(page(), encoding='utf-8')
