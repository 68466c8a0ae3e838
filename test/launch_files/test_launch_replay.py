# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A replay by replay.launch.py answers all frames, and its recording can be judged."""

from __future__ import annotations

import json
from pathlib import Path

from depthforge_ros.cli.main import main
from support.bags import write_bag
from support.launch_files import load
from support.ros_workspace import run_replay, workspace


def test_a_replay_can_be_judged(tmp_path: Path) -> None:
    bag, output, figures = (tmp_path / name for name in ('bag', 'out', 'figures.json'))
    write_bag(bag, frames=6)
    _, start = load('replay.launch.py', reads_bag=True)
    actions = start(
        bag=str(bag), output=str(output), image_topic='/camera/image', engine='null', rate='1.0'
    )
    run_replay(actions, workspace(tmp_path / 'workspace'))
    judge = ['evaluate', 'bag', str(output), '--truth', str(bag), '--json', str(figures)]
    assert main([*judge, '--truth-labels', 'cityscapes']) == 0
    judged = json.loads(figures.read_text())
    assert (judged['received'], judged['published']) == (6, 6)
    assert judged['miou'] is not None
