# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The node's figures on /diagnostics, read from a bag."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from depthforge_ros.bags.bag import Bag
from depthforge_ros.bags.series import decoded

DIAGNOSTICS_TOPIC = '/diagnostics'
NODE = 'depthforge'
"""Part of the name of each of its statuses."""
OF_TIME = ('_ms_p50', '_ms_p99', '_rate_hz')
"""Ends of the names of figures that are taken over the last seconds."""


def node_figures(path: Path, *, topic: str | None = None) -> dict[str, str]:
    """
    Return the node's last figures by their keys; empty where none were recorded.

    Rates and times are the last while frames were answered: after the drive they are taken over
    fewer and fewer frames. `topic` chooses the camera with that input.
    """
    figures: dict[str, str] = {}
    timed: dict[str, str] = {}
    with Bag(path, lenient=True) as bag:
        for _, values in _reports(bag, topic):
            if values.get('published') != figures.get('published'):
                timed = {key: value for key, value in values.items() if key.endswith(OF_TIME)}
            figures = values
    return {**figures, **timed}


class NodeFigures:
    """The node's figures of one camera, looked up by rising times."""

    def __init__(self, bag: Bag, topic: str) -> None:
        self._reports = _reports(bag, topic)
        self._next = next(self._reports, None)
        self._now: dict[str, str] = {}

    def at(self, received_ns: int) -> dict[str, str]:
        """Return the last figures that were recorded until then; empty before the first."""
        while self._next is not None and self._next[0] <= received_ns:
            self._now = self._next[1]
            self._next = next(self._reports, None)
        return self._now


def _reports(bag: Bag, topic: str | None) -> Iterator[tuple[int, dict[str, str]]]:
    for received_ns, message in decoded(bag, DIAGNOSTICS_TOPIC):
        for status in message.status:
            values = {value.key: value.value for value in status.values}
            if values and NODE in status.name and topic in (None, values.get('topic')):
                yield received_ns, values
