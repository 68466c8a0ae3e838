# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the node said of itself on /diagnostics, from a bag."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.evaluation.bag import Bag

DIAGNOSTICS_TOPIC = '/diagnostics'


def node_figures(path: Path, *, node: str = 'depthforge') -> dict[str, str]:
    """Return the node's last figures, names as it gave them; empty where none were recorded."""
    figures: dict[str, str] = {}
    with Bag(path) as bag:
        for recorded in bag.recorded(DIAGNOSTICS_TOPIC):
            for status in bag.decode(recorded).status:
                if node in status.name:
                    figures = {value.key: value.value for value in status.values}
    return figures
