# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the node said of a drive, once it is over."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.bags.node_figures import node_figures
from support.bags import recording


def test_latency_is_that_of_the_drive_and_counts_are_those_of_its_end(tmp_path: Path) -> None:
    said = (
        {'published': '0', 'received': '0'},
        {'published': '40', 'received': '50', 'latency_ms_p50': '100', 'output_rate_hz': '10'},
        {'published': '60', 'received': '70', 'latency_ms_p50': '110', 'output_rate_hz': '9'},
        {'published': '60', 'received': '72', 'latency_ms_p50': '130', 'output_rate_hz': '0'},
    )
    with recording(tmp_path / 'drive') as bag:
        for frame, values in enumerate(said):
            bag.diagnostics(frame, '/camera/image', values)
    assert node_figures(tmp_path / 'drive', topic='/camera/image') == {
        'topic': '/camera/image',
        'published': '60',
        'received': '72',
        'latency_ms_p50': '110',
        'output_rate_hz': '9',
    }
