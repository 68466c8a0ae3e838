# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the node said of itself on /diagnostics, from a bag."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.evaluation.bag import Bag
from depthforge_ros.evaluation.series import decoded

DIAGNOSTICS_TOPIC = '/diagnostics'


def node_figures(
    path: Path, *, node: str = 'depthforge', topic: str | None = None
) -> dict[str, str]:
    """
    Return the node's last figures, names as it gave them; empty where none were recorded.

    `topic` chooses the camera that is read from it.
    """
    figures: dict[str, str] = {}
    with Bag(path, lenient=True) as bag:
        for _, message in decoded(bag, DIAGNOSTICS_TOPIC):
            for status in message.status:
                values = {value.key: value.value for value in status.values}
                if node in status.name and topic in (None, values.get('topic')):
                    figures = values
    return figures
