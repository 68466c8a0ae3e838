# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A replay by replay.launch.py answers all frames, and its recording can be judged."""

from __future__ import annotations

from pathlib import Path

from support.bags import write_bag
from support.judging import judge
from support.launch_files import load
from support.ros_workspace import run_replay, workspace


def test_a_replay_can_be_judged(tmp_path: Path) -> None:
    bag, output = tmp_path / 'bag', tmp_path / 'out'
    write_bag(bag, frames=6)
    _, start = load('replay.launch.py', reads_bag=True)
    actions = start(
        bag=str(bag), output=str(output), image_topic='/camera/image', engine='null', rate='1.0'
    )
    run_replay(actions, workspace(tmp_path / 'workspace'))
    judged = judge(tmp_path, output, '--truth', str(bag), '--truth-labels', 'cityscapes')
    assert (judged['received'], judged['published']) == (6, 6)
    assert judged['miou'] is not None
