# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What all benchmarks leave: a file of figures with the command and the day, and an exit code."""

from __future__ import annotations

from collections.abc import Callable
import datetime
import json
import os
from pathlib import Path
import platform
import sys
from typing import Any

from depthforge_ros.errors import UserError


def write_report(path: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """Write the figures as JSON after the command and the day; returns all that is written."""
    report = {'command': ' '.join(sys.argv), 'date': datetime.date.today().isoformat(), **figures}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + '\n')
    return report


def exit_code(main: Callable[[], int]) -> int:
    """Run a benchmark and return its exit code; 2 with one line for wrong input."""
    try:
        return main()
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2


def machine(threads: int | None = None) -> str:
    """Name the processor, the threads (None: all cores), the load and the PyTorch in use."""
    used = f'{os.cpu_count()} cores' if threads is None else f'{threads} threads'
    text = f'{platform.machine()}, {used}, load {os.getloadavg()[0]:.1f}'
    torch = sys.modules.get('torch')
    if torch is None:
        return text
    return f'{text}, torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}'
