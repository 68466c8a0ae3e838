# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Whether an output that needs more than the image can be made, for the diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class OutputStatus:
    """The state of one such output."""

    unavailable: str = ''
    """Why there is none though it is enabled, in one line."""
    disabled: str = ''
    """How to enable it, where it is not."""
    figures: Mapping[str, float] = field(default_factory=dict)
