# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The tutorial's commands, run in its order on the first frames of the bundled drive."""

from __future__ import annotations

import json
from pathlib import Path
import re
import shlex
import shutil

from depthforge_ros.cli.compare import EXIT_GATE
from depthforge_ros.cli.main import main
import pytest
from support.paths import ROOT

TUTORIAL = (ROOT / 'docs' / 'tutorial.md').read_text(encoding='utf-8')
BLOCKS = re.findall(r'^```bash\n(.*?)^```$', TUTORIAL, re.MULTILINE | re.DOTALL)
FRAMES = 4


@pytest.mark.timeout(900)
def test_commands_do_what_the_tutorial_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ('images', 'labels', 'depth'):
        (tmp_path / 'drive' / folder).mkdir(parents=True)
        for path in sorted((ROOT / 'drive' / folder).iterdir())[:FRAMES]:
            shutil.copy(path, tmp_path / 'drive' / folder)
    shutil.copy(ROOT / 'drive' / 'camera.yaml', tmp_path / 'drive')
    (tmp_path / 'docs').mkdir()
    shutil.copy(ROOT / 'docs' / 'fleet.yaml', tmp_path / 'docs')
    monkeypatch.chdir(tmp_path)
    lines = [line for block in BLOCKS for line in block.splitlines()]
    assert len(lines) >= 6
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == 'depthforge'
        allowed = (0, EXIT_GATE) if '--gate' in arguments else (0,)
        assert main(arguments) in allowed, line
    out = tmp_path / 'out' / 'tutorial'
    now, smaller, fleet = (
        json.loads((out / f'{name}.json').read_text()) for name in ('now', 'smaller', 'fleet')
    )
    assert now['received'] == smaller['received'] == fleet['received'] == FRAMES
    assert now['miou'] != smaller['miou']
    assert fleet['miou'] == now['miou']
    assert 'mIoU' in (out / 'now.html').read_text(encoding='utf-8')
    assert (out / 'drive.mcap').stat().st_size > 0
