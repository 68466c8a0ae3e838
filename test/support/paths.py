# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Where tests find files."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Of the checkout."""
SHARED = Path(os.environ.get('DEPTHFORGE_SHARED') or ROOT.parent / 'shared')
"""Optional recordings and weights."""
