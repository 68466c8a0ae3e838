# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the tests of engines share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

FRAMES = np.random.default_rng(0).integers(0, 256, (1, 56, 98, 3), np.uint8)


def rewritten(path: Path, **changes: Any) -> None:
    """Change a description."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
