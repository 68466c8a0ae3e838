# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Commands in this process; imports nothing that an environment of one engine lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from depthforge_ros.cli.main import main


def figures_of(folder: Path, *words: object, code: int = 0) -> dict[str, Any]:
    """Run a command; returns the figures that --json writes into a folder."""
    path = folder / 'figures.json'
    assert main([*map(str, words), '--json', str(path)]) == code
    figures: dict[str, Any] = json.loads(path.read_text())
    return figures
