# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the README says of commands, parameters and files is so."""

from __future__ import annotations

import dataclasses
from pathlib import Path
import re
import runpy
import shlex

from depthforge_ros.cli.main import main
from depthforge_ros.ros.parameters import NodeConfig
from depthforge_ros.ros.topics import OUTPUTS
import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / 'README.md').read_text(encoding='utf-8')
EXAMPLES = re.findall(r'^depthforge (.+?)(?: &)?$', README, re.MULTILINE)


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what --help says of a command such as `evaluate images`."""
    named = words[: 2 if words[0] == 'evaluate' else 1]
    with pytest.raises(SystemExit) as stopped:
        main([*named, '--help'])
    assert stopped.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize('example', EXAMPLES)
def test_example_has_only_options_that_exist(
    example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(example)
    usage = help_of(words, capsys)
    options = {word for word in words if word.startswith('--')}
    assert options <= set(re.findall(r'--[a-z-]+', usage))


def test_examples_were_read() -> None:
    assert {'make-bag', 'replay', 'predict', 'evaluate'} <= {one.split()[0] for one in EXAMPLES}


def test_parameter_table_is_that_of_the_node() -> None:
    section = README[README.index('### Parameters') : README.index('## Troubleshooting')]
    told = re.findall(r'^\| `(\w+)` \| `(.+?)` \|', section, re.MULTILINE)
    assert told == [(one.name, shown(one.default)) for one in dataclasses.fields(NodeConfig)]


def test_all_topics_of_the_node_are_told() -> None:
    section = README[README.index('### Topics') : README.index('### Parameters')]
    told = re.findall(r'^\| `(~/.+?)` \|', section, re.MULTILINE)
    assert set(OUTPUTS.values()) <= set(told)


@pytest.mark.parametrize('name', ['parameters', 'metric_depth', 'model'])
def test_generated_page_is_up_to_date(name: str) -> None:
    path = ROOT / 'docs' / f'{name}.py'
    made = runpy.run_path(str(path))
    assert path.with_suffix('.md').read_text(encoding='utf-8') == made['page']()


def test_sections_are_in_the_order_of_use() -> None:
    assert re.findall(r'^## (.+)$', README, re.MULTILINE) == [
        'Two commands', 'On the vehicle', 'Your own camera', 'Your own bag', 'Your own data',
        'Performance', 'Accuracy', 'Topics and parameters', 'Troubleshooting',
        'Limits and safety', 'Licences', 'Citation',
    ]  # fmt: skip


def shown(default: object) -> str:
    """Write a default as a parameter file has it."""
    return str(list(default)) if isinstance(default, tuple) else str(default)


def test_linked_files_exist() -> None:
    links = re.findall(r'\]\((?!https?:)([^)]+)\)', README)
    assert [link for link in links if not (ROOT / link).exists()] == []
