# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Write the table of docs/parity.md from the kept figures: python docs/parity.py."""

from __future__ import annotations

import json
from pathlib import Path

from blocks import Blocks, table, write

ROOT = Path(__file__).resolve().parents[1]


def blocks() -> Blocks:
    """Return the table of parity, a row for each part."""
    report = json.loads((ROOT / 'benchmarks' / 'results' / 'parity.json').read_text())
    parts: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in report['rows']:
        key = row['part'], row['models']
        parts.setdefault(key, []).append((row['size'], f'{row["max_error"]:.1e}'))
    rows = [
        [*key, *(', '.join(values) for values in zip(*inputs, strict=True))]
        for key, inputs in parts.items()
    ]
    return {'parity': table('part|sizes of|inputs|largest error', rows)}


if __name__ == '__main__':
    write(Path(__file__).with_suffix('.md'), blocks())
