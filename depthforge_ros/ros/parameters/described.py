# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""How a field of a dataclass becomes a described ROS parameter."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def parameter(
    default: Any,
    description: str,
    *,
    within: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    runtime: bool = False,
) -> Any:
    """Describe a parameter; `within` holds the smallest and the largest value."""
    return field(
        default=default,
        metadata={
            'description': description,
            'within': within,
            'choices': choices,
            'runtime': runtime,
        },
    )
