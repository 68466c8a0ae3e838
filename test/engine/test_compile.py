# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge compile`, and the compilers that it uses."""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
from importlib import metadata
import json
from pathlib import Path
import shutil
import signal
import subprocess
import sys

from depthforge_ros.cli.main import main
from depthforge_ros.engine import load_engine
from depthforge_ros.engine.agreement import Agreement, NEAR
from depthforge_ros.engine.artefact import (
    engines_directory,
    Request,
    stored,
)
from depthforge_ros.engine.build import build
from depthforge_ros.engine.inductor import Inductor
from depthforge_ros.engine.openvino import OpenVino
from depthforge_ros.engine.precision import has_bf16_units
from depthforge_ros.engine.tensorrt import dry_run
from depthforge_ros.engine.tensorrt.dry_run import Built, Coverage, DryRun
from depthforge_ros.engine.torch_engine import load, load_or_outline, RANDOM
from depthforge_ros.errors import UserError
from depthforge_ros.resources import share_directory
import numpy as np
import pytest
from support.commands import figures_of
from support.engines import rewritten
from support.limits import full_disk
from support.networks import DENSE, mini_checkpoint, WITH_DEPTH
from support.refusals import ErrorOf
import torch

SIZE = Request(56, 98)
INDUCTOR = ('--engine', 'inductor', '--height', '56', '--width', '98', '--device', 'cpu')


def test_openvino_is_built_chosen_and_answers_as_eager(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('openvino', reason='the extra openvino is not installed')
    mini_checkpoint(Path(model), DENSE)
    words = ['--model', model, '--engine', 'openvino', '--height', '64', '--width', '112']
    words += ['--batch', '1-2', '--device', 'cpu']
    agreement = figures_of(tmp_path, 'compile', *words)
    assert 'stored after' in capsys.readouterr().out
    assert agreement['max_abs_error'] < 1e-3
    assert agreement['mask_agreement'] > 0.999
    (path,) = stored(model, 'openvino')
    rewritten(path, ms=1.0, other_ms=2.0)
    engine = load_engine(model, device='cpu', short_side=64)
    assert engine.name == 'openvino'
    assert engine.reason == 'compiled for cpu: 1 ms, and 2 ms without compiling'
    frames = np.random.default_rng(0).integers(0, 256, (1, 64, 112, 3), np.uint8)
    expected = load_engine(model, engine='eager', device='cpu')(frames)
    assert (engine(frames).labels == expected.labels).mean() > 0.999
    fields = json.loads(path.read_text())
    rewritten(path, fingerprint={**fields['fingerprint'], 'openvino': '2020.1'})
    engine = load_engine(model, device='cpu', short_side=64)
    assert engine.name == ('bf16' if has_bf16_units(torch.device('cpu')) else 'eager')
    assert "openvino was '2020.1'" in engine.reason


def test_openvino_answers_as_eager_with_two_streams_and_queries(model: str) -> None:
    pytest.importorskip('openvino', reason='the extra openvino is not installed')
    mini_checkpoint(Path(model), WITH_DEPTH)
    _, agreement = build(OpenVino(), load(model, device='cpu'), Request(112, 112, 1, 2))
    assert agreement.mask > 0.999
    assert agreement.max_abs_error < 1e-3


@pytest.mark.skipif(shutil.which('g++') is None, reason='inductor needs g++')
def test_ctrl_c_ends_a_build_and_nothing_is_stored(model: str) -> None:
    process = subprocess.Popen(
        [sys.executable, '-m', 'depthforge_ros.cli.main', 'compile', '--model', model, *INDUCTOR],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = next(one for one in process.stderr if 'compiling' in one)
    assert 'ctrl-C cancels' in line
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(60.0) == 130, said
    assert 'Traceback' not in said
    assert not list(engines_directory().iterdir())


def test_a_ctrl_c_that_a_compiler_swallows_ends_the_build_all_the_same(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swallow(*_: object) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Inductor, 'compile', swallow)
    assert main(['compile', '--model', model, *INDUCTOR]) == 130
    assert not list(engines_directory().iterdir())


def test_a_ctrl_c_of_which_a_compiler_makes_an_error_is_a_ctrl_c(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrap(*_: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise ValueError('conversion failed') from error

    monkeypatch.setattr(Inductor, 'compile', wrap)
    assert main(['compile', '--model', model, *INDUCTOR]) == 130


def test_a_dry_run_whose_engine_would_be_refused_fails(
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error_of: ErrorOf,
) -> None:
    far = Agreement(NEAR, 0.9, depth=0.0, confidence=0.0, entropy=0.0, max_abs_error=0.0)
    found = DryRun(Coverage(7, 7, 1, {}), Built(1000, far, 0.1))
    monkeypatch.setattr(dry_run, 'dry_run', lambda *_, **__: found)
    figures = tmp_path / 'figures.json'
    words = ['--engine', 'tensorrt', '--height', '56', '--width', '98', '--json', str(figures)]
    error = error_of('compile', '--dry-run', '--model', model, *words)
    assert 'would not be stored: 90.00 %' in error
    assert json.loads(figures.read_text())['mask_agreement'] == 0.9
    # Of random weights, masks are near ties.
    monkeypatch.setenv('DEPTHFORGE_WEIGHTS', str(tmp_path))
    words[-1] = str(tmp_path / 'others.json')
    assert main(['compile', '--dry-run', '--model', 'depthforge_base', *words]) == 0
    assert 'random weights' in capsys.readouterr().out


def test_damaged_weights_are_not_taken_for_absent_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DEPTHFORGE_WEIGHTS', str(tmp_path))
    (tmp_path / 'depthforge_base.safetensors').write_bytes(bytes(1000))
    with pytest.raises(UserError, match='depthforge_base'):
        load_or_outline('depthforge_base')


def test_a_checkpoint_without_its_foundation_gets_no_random_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DEPTHFORGE_WEIGHTS', str(tmp_path))
    path = share_directory() / 'models/depthforge_small.safetensors'
    with pytest.raises(UserError, match='depth_anything_v2_vits'):
        load_or_outline(str(path))
    assert load_or_outline('depthforge_small').fingerprint == RANDOM


def test_a_dry_run_says_what_it_lacks(
    model: str, monkeypatch: pytest.MonkeyPatch, error_of: ErrorOf
) -> None:
    monkeypatch.setattr(dry_run, 'installed_versions', dict)
    words = ['--engine', 'tensorrt', '--height', '56', '--width', '98']
    error = error_of('compile', '--dry-run', '--model', model, *words)
    assert 'make tensorrt-dry-run' in error


def test_a_disk_that_takes_no_more_is_one_line_and_nothing_is_stored(
    model: str, error_of: ErrorOf
) -> None:
    pytest.importorskip('openvino', reason='the extra openvino is not installed')
    words = ['--engine', 'openvino', '--height', '56', '--width', '98', '--device', 'cpu']
    with full_disk(20_000):
        error = error_of('compile', '--model', model, *words)
    assert 'did not make an engine' in error
    assert 'MiB are free' in error
    assert not list(engines_directory().iterdir())


@pytest.mark.parametrize(
    ('changes', 'word'),
    [
        ({'--engine': 'eager'}, 'openvino, inductor, tensorrt'),
        ({'--batch': '6-1'}, '1-6'),
        ({'--batch': 'many'}, '1-6'),
        ({'--height': '57'}, 'multiples of the patch'),
        ({'--precision': 'int3'}, 'fp32, bf16, fp16, fp8'),
        ({'--precision': 'fp16'}, 'not for CPUs'),
        ({'--precision': 'fp8'}, 'not for CPUs'),
        (
            {'--dry-run': None, '--engine': 'tensorrt', '--precision': 'int3'},
            'fp32, bf16, fp16, fp8',
        ),
        ({'--engine': 'tensorrt'}, 'tensorrt'),
        ({'--dry-run': None}, '--engine tensorrt'),
    ],
)
def test_wrong_requests_are_refused_in_one_line(
    model: str, changes: Mapping[str, str | None], word: str, error_of: ErrorOf
) -> None:
    options = {'--model': model, '--engine': 'inductor', '--height': '56', '--width': '98'}
    words = [one for pair in {**options, **changes}.items() for one in pair if one is not None]
    assert word in error_of('compile', '--device', 'cpu', *words)


def test_openvino_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, 'version', missing)
    with pytest.raises(UserError, match='pip install'):
        OpenVino().versions(torch.device('cpu'))
