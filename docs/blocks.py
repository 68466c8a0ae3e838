# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Replace the generated blocks of a page: what stands between a pair of markers."""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / 'benchmarks' / 'results'
Blocks = Mapping[str, str]


def read_result(name: str) -> Any:
    """Read the figures that a benchmark left."""
    return json.loads((RESULTS / f'{name}.json').read_text(encoding='utf-8'))


def fill(text: str, blocks: Blocks) -> str:
    """
    Put each block between `<!-- begin NAME -->` and `<!-- end NAME -->`.

    Raises ValueError for a block whose markers the text lacks.
    """
    for name, block in blocks.items():
        begin, end = f'<!-- begin {name} -->\n', f'<!-- end {name} -->'
        before, has_begin, rest = text.partition(begin)
        _, has_end, after = rest.partition(end)
        if not (has_begin and has_end):
            raise ValueError(f'the page has no {begin.strip()} ... {end}; add both lines')
        text = f'{before}{begin}\n{block.strip()}\n\n{end}{after}'
    return text


def write(path: Path, blocks: Blocks) -> None:
    """Fill the blocks of a file."""
    path.write_text(fill(path.read_text(encoding='utf-8'), blocks), encoding='utf-8')


def table(head: str, rows: list[list[str]]) -> str:
    """Return a table; `head` names its columns, separated by |."""
    columns = head.split('|')
    lines = [columns, ['---'] * len(columns), *rows]
    return '\n'.join(f'| {" | ".join(cell.strip() for cell in line)} |' for line in lines)
