# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the README and the documents say of commands, parameters, files and figures is so."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
import importlib
from pathlib import Path
import re
import runpy
import subprocess
import sys
from typing import Any, NoReturn

from depthforge_ros.cli.main import COMMANDS, main
from depthforge_ros.evaluation.compare import HIGHER_IS_BETTER
from depthforge_ros.metrics.accumulators import PERCENT
from depthforge_ros.ros.diagnostics.statistics import NO_FAULTS
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.topics.names import OUTPUTS
from depthforge_trainer.cli import main as train
import pytest
from support.pages import (
    anchors_of,
    Command,
    commands,
    FENCE,
    is_there,
    links_of,
    PAGES,
    paths_of,
    spans_of,
    split,
    text_of,
)
from support.paths import ROOT

README = text_of('README.md')
MAX_LINES = 200
TRAIN = 'depthforge-train'
FOREIGN = frozenset((
    'cd', 'docker', 'export', 'git', 'kill', 'pip', 'python3', 'rosdep', 'source', 'touch', 'wait',
))  # fmt: skip
"""Programs that are not of this repository: their options are not looked at."""


class Parsed(BaseException):
    """A command line was taken; nothing else of the program shall run."""


@pytest.fixture
def only_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let programs end as soon as they have parsed their arguments."""
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(*args: Any, **named: Any) -> NoReturn:
        parse(*args, **named)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', parse_and_stop)


def run_python(words: list[str]) -> None:
    """Look for a script's options in its text: to run a benchmark up to its parser takes long."""
    if words[:2] == ['-m', 'depthforge_ros.cli.main']:
        main(words[2:])
    if words[0] == '-m':
        assert words[1] in ('colcon', 'pytest', 'venv')
    else:
        script = (ROOT / words[0]).read_text(encoding='utf-8')
        assert [one for one in options(words) if f"'{one}'" not in script] == []
    raise Parsed


def run_ros2(words: list[str]) -> None:
    """Parse what `ros2 run` starts; test_launch.py looks at the arguments of launch files."""
    if words[:3] == ['run', 'depthforge_ros', 'depthforge']:
        main(words[3:])
    if words[:3] == ['run', 'depthforge_ros', 'depthforge_node']:
        main(['node', *words[3:]])
    assert words[0] != 'launch' or (ROOT / 'launch' / words[2]).exists()
    raise Parsed


def run_make(words: list[str]) -> None:
    targets = re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE)
    assert {word for word in words if '=' not in word} <= set(targets)
    raise Parsed


def run_torchrun(words: list[str]) -> None:
    at = words.index('-m')
    assert words[at + 1] == 'depthforge_trainer.cli'
    train(words[at + 2 :])


PROGRAMS: Mapping[str, Callable[[list[str]], object]] = {
    'depthforge': main,
    TRAIN: train,
    'python': run_python,
    'ros2': run_ros2,
    'make': run_make,
    'torchrun': run_torchrun,
}


@pytest.mark.usefixtures('only_parse')
@pytest.mark.parametrize('command', commands(), ids=str)
def test_command_line_is_taken(command: Command) -> None:
    program, *words = command.words
    if program not in FOREIGN:
        with pytest.raises(Parsed):
            PROGRAMS[program](words)


@pytest.mark.usefixtures('only_parse')
@pytest.mark.parametrize('line', [
    'depthforge evaluate bag B --no-such-option', 'depthforge predict', 'depthforge nothing',
    'depthforge-train fit', 'python benchmarks/cpu.py --no-such-option', 'make nothing',
    'python benchmarks/nothing.py', 'depthforge evaluate images --dataset camvid',
])  # fmt: skip
def test_wrong_command_line_is_not_taken(line: str) -> None:
    program, *words = next(split(line))
    with pytest.raises((AssertionError, OSError, SystemExit)):
        assert PROGRAMS[program](words) == 0


@pytest.mark.parametrize('page', PAGES)
def test_commands_in_the_text_exist(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for span in spans_of(page):
        program, *words = span.split()
        if program == 'make':
            with pytest.raises(Parsed):
                run_make(words)
        if program == 'python' and words[0].endswith('.py'):
            with pytest.raises(Parsed):
                run_python(words)
        if program in ('depthforge', TRAIN) and words:
            assert options(words) <= options_of(program, words, capsys), span


def options(words: list[str]) -> set[str]:
    return {word for word in words if word.startswith('--') and word != '--version'}


def options_of(program: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Return the options in the help of a command such as `evaluate images`."""
    named = [word for word in words if re.fullmatch('[a-z-]+', word) and word[0] != '-']
    if not named:
        return set()
    if program == 'depthforge':
        assert named[0] in COMMANDS
    named = named[: 2 if named[0] == 'evaluate' else 1]
    with pytest.raises(SystemExit) as stopped:
        PROGRAMS[program]([*named, '--help'])
    assert stopped.value.code == 0
    return set(re.findall(r'--[a-z-]+', capsys.readouterr().out))


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_somewhere(page: str) -> None:
    dead = [
        f'{path}#{anchor}'
        for path, anchor in links_of(page)
        if not (ROOT / path).exists() or (anchor and anchor not in anchors_of(path))
    ]
    assert dead == []


@pytest.mark.parametrize('page', PAGES)
def test_paths_exist(page: str) -> None:
    assert [path for path in paths_of(page) if not is_there(path)] == []


def test_pages_were_read() -> None:
    taken = {command.words[0] for command in commands()}
    assert taken >= set(PROGRAMS) - {'python'}
    assert len(PAGES) > 10
    assert any(links_of(page) for page in PAGES)
    assert 'test/repository/test_layers.py' in paths_of('docs/architecture.md')


def test_readme_is_short_and_in_the_order_of_use() -> None:
    assert README.count('\n') <= MAX_LINES
    assert re.findall(r'^## (.+)$', README, re.MULTILINE) == [
        'On the vehicle', 'Your own camera', 'Your own bag', 'Train on your data', 'Troubles',
        'Limits', 'Licences', 'Citation',
    ]  # fmt: skip


def test_readme_has_five_figures_and_no_other() -> None:
    before, _, rest = README.partition('<!-- begin five numbers -->')
    numbers, _, after = rest.partition('<!-- end five numbers -->')
    assert numbers.count('\n| ') == 2 + 5
    assert re.findall(r'\d+\.\d+ ?(?:%|ms|frames/s|mIoU)', before + after) == []


def test_python_examples_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    examples = [code for language, code in FENCE.findall(text_of('docs/api.md')) if language]
    assert len(examples) >= 2
    for code in examples:
        exec(compile(code, 'docs/api.md', 'exec'), {})
    assert '(1, ' in capsys.readouterr().out.replace('torch.Size([', '(')


def test_pictures_are_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / 'docs' / 'pictures.py'))['pictures']()
    for name, svg in made.items():
        assert (ROOT / 'docs' / 'pictures' / name).read_text(encoding='utf-8') == svg


def test_badges_are_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / 'docs' / 'badges.py'))['badges']()
    for name, svg in made.items():
        assert f'docs/badges/{name}' in README
        assert (ROOT / 'docs' / 'badges' / name).read_text(encoding='utf-8') == svg


def test_all_topics_of_the_node_are_told() -> None:
    told = re.findall(r'^\| `(~/.+?)` \|', text_of('docs/parameters.md'), re.MULTILINE)
    assert set(OUTPUTS.values()) <= set(told)


def test_reasons_of_drops_are_explained() -> None:
    code = (path.read_text(encoding='utf-8') for path in (ROOT / 'depthforge_ros').rglob('*.py'))
    raised = set(re.findall(r"reason='(\w+)'", ''.join(code))) - {'bad_message'}  # of a bag
    told = set(re.findall(r'`(\w+)`', text_of('docs/troubleshooting.md')))
    assert {*NO_FAULTS, *raised, 'bad_input', 'internal_error'} <= told


def test_figures_have_their_units_in_evaluation() -> None:
    rows = re.findall(r'^\| (`.+?`) \| (.*?) \|', text_of('docs/evaluation.md'), re.MULTILINE)
    units = {name: unit for names, unit in rows for name in re.findall(r'`(\w+)`', names)}
    assert {name for name in PERCENT if units.get(name) == '%'} == PERCENT
    assert set(HIGHER_IS_BETTER) - {'latency_ms_p50', 'latency_ms_p99'} <= set(units)


def test_parameters_in_the_text_exist() -> None:
    named = re.findall(r'-p (\w+):=', ''.join(map(text_of, PAGES)))
    assert named
    assert set(named) <= set(NodeConfig.__dataclass_fields__)


GENERATORS = ('parameters', 'metric_depth', 'parity', 'tables', 'training_keys')


@pytest.mark.parametrize('name', GENERATORS)
def test_generated_tables_are_up_to_date(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / 'docs')
    fill = importlib.import_module('blocks').fill
    module = importlib.import_module(name)
    pages = module.PAGES if name == 'tables' else [f'docs/{name}.md']
    for page in pages:
        made = module.blocks(page) if name == 'tables' else module.blocks()
        assert made
        assert fill(text_of(page), made) == text_of(page), f'run python docs/{name}.py'


def test_site_builds_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('NO_MKDOCS_2_WARNING', '1')
    built = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--quiet', '--site-dir', tmp_path],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    home = (tmp_path / 'index.html').read_text(encoding='utf-8')
    loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', home)
    assert loaded == [], 'the site loads these from the network'


def test_extras_exist() -> None:
    setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
    named = re.findall(r"'(?:\.|depthforge_ros)\[([\w,]+)\]'", ''.join(map(text_of, PAGES)))
    assert named
    assert [one for names in named for one in names.split(',') if f"'{one}': [" not in setup] == []
