# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""An engine that is built once, and copied for each test; what is built again is not exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
import shutil

from depthforge_ros.engine.artefact import ENGINES_VARIABLE
from depthforge_ros.engine.build import build
from depthforge_ros.engine.torch_engine import load
import pytest
from support.engines import Interpreted, SIZE
from support.networks import mini_checkpoint, SHORT
import torch
from torch.export import ExportedProgram


@pytest.fixture(scope='package')
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build once: a folder with a model and the cache that holds its engine."""
    folder = tmp_path_factory.mktemp('built')
    # With metric depth, which is not zero everywhere, as that of random weights may be.
    config = replace(SHORT, dpt=replace(SHORT.dpt, max_depth_m=80.0))
    mini_checkpoint(folder / 'mini.safetensors', config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENGINES_VARIABLE, str(folder / 'engines'))
        build(Interpreted(), load(str(folder / 'mini.safetensors'), device='cpu'), SIZE)
    return folder


@pytest.fixture
def compiled(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Copy what was built."""
    shutil.copytree(built, tmp_path / 'copy')
    monkeypatch.setenv(ENGINES_VARIABLE, str(tmp_path / 'copy' / 'engines'))
    return str(tmp_path / 'copy' / 'mini.safetensors')


@pytest.fixture(scope='package')
def program(built: Path) -> ExportedProgram:
    """Load what was exported of the model."""
    (path,) = (built / 'engines').glob('*.pt2')
    return torch.export.load(path)


@pytest.fixture
def not_exported_again(program: ExportedProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `build` take the program that was exported for `built`."""
    monkeypatch.setattr('depthforge_ros.engine.build.exported', lambda *_, **__: program)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a model for which nothing is compiled."""
    monkeypatch.setenv(ENGINES_VARIABLE, str(tmp_path / 'engines'))
    mini_checkpoint(tmp_path / 'mini.safetensors', SHORT)
    return str(tmp_path / 'mini.safetensors')
