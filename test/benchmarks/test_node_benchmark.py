# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What benchmarks/node.py reads from where."""

from __future__ import annotations

from contextlib import nullcontext
import os
from types import SimpleNamespace
from typing import Any

import node
import pytest


class FakeCamera:
    """The node's figures are other ones as soon as no more images come."""

    def __init__(self, case: Any) -> None:
        del case
        self.sent = 0
        self.round_trips_ms = [20.0]
        self.figures: dict[str, dict[str, str]] = {}

    def __enter__(self) -> FakeCamera:
        return self

    def __exit__(self, *exception: Any) -> None:
        pass

    def is_connected(self) -> bool:
        return True

    def wait_until(self, done: Any, what: str) -> None:
        assert done(), what

    def send_for(self, duration_s: float) -> None:
        self.sent += 10
        self._report(duration_s)

    def settle(self) -> dict[str, dict[str, str]]:
        self._report(0.0)
        return self.figures

    def _report(self, latency_ms: float) -> None:
        published = str(self.sent if latency_ms == 0.0 else self.sent - 1)
        self.figures['front'] = {
            'latency_ms_p50': str(latency_ms), 'received': published, 'published': published,
        }  # fmt: skip


def test_percentiles_are_those_while_images_came_and_counts_those_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = SimpleNamespace(pid=os.getpid())
    monkeypatch.setattr(node, '_process', lambda command: nullcontext(process))
    monkeypatch.setattr(node, 'Camera', FakeCamera)
    figures = node.measure(node.CASES[0], 7.0)
    assert figures['latency_ms_p50'] == 7.0
    assert (figures['sent'], figures['published'], figures['lost']) == (20, 20, 0)
