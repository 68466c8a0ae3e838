# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Write the table of docs/model.md from the kept figures: python docs/model.py."""

from __future__ import annotations

import json
from pathlib import Path

from blocks import Blocks, table, write

ROOT = Path(__file__).resolve().parents[1]


def blocks() -> Blocks:
    """Return the table of parity."""
    report = json.loads((ROOT / 'benchmarks' / 'results' / 'parity.json').read_text())
    rows = [
        [row['part'], row['models'], row['size'], f'{row["max_error"]:.1e}']
        for row in report['rows']
    ]
    return {'parity': table('part|sizes of|input|largest error', rows)}


if __name__ == '__main__':
    write(ROOT / 'docs' / 'model.md', blocks())
