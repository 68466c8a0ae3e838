# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
import re
import subprocess
import sys

from depthforge_ros.cli.main import COMMANDS, main
from depthforge_ros.model.registry import MODELS
import pytest
from support.commands import figures_of
from support.networks import mini_checkpoint
from support.paths import ROOT
from support.refusals import ErrorOf


def test_help_lists_every_command_and_needs_neither_torch_nor_ros() -> None:
    code = (
        'import sys; from depthforge_ros.cli.main import main; main(["--help"]); '
        'print(sorted({"torch", "rclpy", "cv2", "plotly", "rosbags"} & set(sys.modules)))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[-1] == '[]'
    for name in COMMANDS:
        assert any(line.split()[:1] == [name] for line in lines)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--version']) == 0
    setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
    version = re.search(r"version='(.+)'", setup)
    assert version
    assert capsys.readouterr().out == f'depthforge {version[1]}\n'


@pytest.mark.parametrize('name', COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, '--help'])
    assert ended.value.code == 0
    assert f'usage: depthforge {name}' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['fly'], "'fly' is not known; choose one of models"),
        (['predict'], 'required: INPUT'),
        (['make-bag', 'x', '--speed', '3'], 'required: --camera-info, --output'),
        (['models', '--json'], 'expected one argument'),
    ],
)
def test_wrong_words_are_one_line(error_of: ErrorOf, arguments: list[str], expected: str) -> None:
    assert expected in error_of(*arguments)


def test_an_interrupt_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr('depthforge_ros.cli.models.run', interrupt)
    assert main(['models']) == 130


def test_what_a_script_runs_in_the_background_can_be_interrupted() -> None:
    code = (
        'import os, signal; from depthforge_ros.cli import main, models; '
        'models.run = lambda _: os.kill(os.getpid(), signal.SIGINT); '
        'raise SystemExit(main.main(["models"]))'
    )
    command = ['sh', '-c', 'trap "" INT; exec "$0" -c "$1"', sys.executable, code]
    assert subprocess.run(command, check=False).returncode == 130


def test_models_says_what_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv('DEPTHFORGE_WEIGHTS', str(tmp_path))
    figures = figures_of(tmp_path, 'models')
    assert set(figures) == set(MODELS)
    assert [name for name, model in figures.items() if model['available']] == ['depthforge_tiny']
    for name, model in figures.items():
        assert model['licence'].startswith(MODELS[name].licence)
        assert model['parameters'] > model['token_parameters']
        non_commercial = {'depthforge_base', 'depthforge_large', 'depthforge_eva02_large'}
        assert ('non-commercial' in model['licence']) == (name in non_commercial)
    assert figures['depthforge_large']['token_parameters'] == 2_990_081
    assert 'depthforge fetch depth_anything_v2_vits' in figures['depthforge_small']['remedy']
    assert 'depthforge fetch depthforge_large' in figures['depthforge_large']['remedy']
    told = capsys.readouterr().out
    assert 'depthforge_small: ' in told
    assert told.count('  classes     cityscapes\n') == len(MODELS)
    metric = re.search(r'^ *depth_anything_v2_metric_vkitti_vitl +(.*)$', told, re.MULTILINE)
    assert metric is not None
    assert metric[1] == 'CC-BY-NC-4.0, non-commercial use only'


def test_a_model_of_your_own_is_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DEPTHFORGE_WEIGHTS', str(tmp_path))
    network = mini_checkpoint(tmp_path / 'depthforge_base.safetensors')
    figures = figures_of(tmp_path, 'models')['depthforge_base']
    assert figures['available']
    assert figures['parameters'] == sum(one.numel() for one in network.parameters())


@pytest.mark.parametrize('arguments', [['node'], ['replay', 'bag'], ['record', '/topic']])
def test_commands_that_need_ros_say_so_where_it_is_missing(
    arguments: list[str], tmp_path: Path
) -> None:
    # A module of None is one that Python does not find.
    code = (
        'import sys; sys.modules["rclpy"] = sys.modules["rcl_interfaces"] = None; '
        'from depthforge_ros.cli.main import main; sys.exit(main(sys.argv[1:]))'
    )
    bag = {'replay': [], 'node': [], 'record': ['--output', str(tmp_path / 'out')]}
    command = [sys.executable, '-c', code, *arguments, *bag[arguments[0]]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert 'needs ROS 2' in line
