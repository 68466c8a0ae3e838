# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Conventions that no other linter of `make lint` checks, and ROS's own linters where they are."""

from __future__ import annotations

from pathlib import Path
import re
import subprocess
from types import ModuleType

import pytest
from support.optional import NEED
from support.paths import ROOT

HEADER = re.compile(
    r'# Copyright 20\d\d The depthforge_ros authors\.\n# SPDX-License-Identifier: Apache-2\.0\n'
)
CODE = ('.py', '.sh', '.toml', '.yaml', '.yml')
AMENT_LINTED = [str(ROOT / name) for name in ('depthforge_ros', 'launch', 'test', 'setup.py')]
BINARY = ('.jpg', '.png', '.safetensors')
MAX_COLUMNS = 99
MAX_LINES = 350
MACHINE_PATH = re.compile(r'(?<![\w.])/(work|tmp|root|home/[a-z]+|mnt|media)/[\w.-]+')


def files() -> list[Path]:
    """List what git tracks or would add."""
    listed = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    named = (ROOT / name for name in listed.stdout.split('\0') if name)
    return sorted(path for path in named if path.is_file())


def text_of(path: Path) -> str:
    return path.read_text(encoding='utf-8')


def code_files() -> list[Path]:
    return [path for path in files() if path.suffix in CODE and text_of(path).strip()]


def test_every_code_file_names_copyright_and_licence() -> None:
    assert [str(path) for path in code_files() if not HEADER.search(text_of(path)[:300])] == []


def python_files() -> list[Path]:
    return [path for path in files() if path.suffix == '.py']


def test_lines_are_at_most_99_columns() -> None:
    long = [
        f'{path}:{number}'
        for path in python_files()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if len(line) > MAX_COLUMNS
    ]
    assert long == []


def test_python_files_are_short() -> None:
    long = [str(path) for path in python_files() if text_of(path).count('\n') > MAX_LINES]
    assert long == []


def test_no_file_names_a_place_of_one_machine() -> None:
    named = [
        f'{path}: {match.group()}'
        for path in files()
        if path.suffix not in BINARY
        for match in MACHINE_PATH.finditer(text_of(path))
    ]
    assert named == []


def test_a_machine_path_would_be_found() -> None:
    assert MACHINE_PATH.search('see ' + '/'.join(('', 'home', 'ann', 'data')))
    assert not MACHINE_PATH.search('https://example.org' + '/'.join(('', 'home', 'ann', 'data')))


def sourced(linter: str) -> ModuleType:
    """Import one of ROS's linters."""
    reason = f'{linter} comes with a ROS installation, which is not sourced'
    module: ModuleType = pytest.importorskip(f'{linter}.main', reason=reason)
    return module


def test_ament_flake8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    linter = sourced('ament_flake8')
    rules = Path(str(linter.__file__)).with_name('configuration') / 'ament_flake8.ini'
    # E203 contradicts PEP 8 on slices, and CNL100 the formatter; A003 and A005 mind names of
    # methods and of modules in a package, which hide nothing.
    config = tmp_path / 'flake8.ini'
    ignored = 'extend-ignore = A003,A005,CNL100,E203,'
    config.write_text(text_of(rules).replace('extend-ignore = ', ignored))
    assert linter.main(['--config', str(config), *AMENT_LINTED]) == 0, capsys.readouterr().out


def test_ament_pep257(capsys: pytest.CaptureFixture[str]) -> None:
    assert sourced('ament_pep257').main(AMENT_LINTED) == 0, capsys.readouterr().out


def test_ament_copyright(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    linter = sourced('ament_copyright')
    from ament_copyright import parser

    # It knows no SPDX lines.
    apache = linter.get_licenses()['apache2']
    ours = apache._replace(file_headers=['SPDX-License-Identifier: Apache-2.0'])
    for module in (linter, parser):
        monkeypatch.setattr(module, 'get_licenses', lambda: {'apache2': ours})
    paths = [*AMENT_LINTED, str(ROOT / 'CONTRIBUTING.md'), str(ROOT / 'LICENSE')]
    assert linter.main(paths) == 0, capsys.readouterr().out


@pytest.mark.parametrize('package', list(NEED))
def test_what_imports_an_optional_package_is_left_out_without_it(package: str) -> None:
    imported = re.compile(rf'^(?:from|import) {package}\b', re.MULTILINE)
    importing = [path for path in python_files() if (ROOT / 'test') in path.parents]
    paths = [str(path.relative_to(ROOT / 'test')) for path in importing
             if imported.search(text_of(path))]  # fmt: skip
    supporting = [one for one in paths if one.startswith('support/')]
    left_out = [one for one in paths if one.startswith(tuple(NEED[package]))]
    assert left_out
    assert sorted(left_out + supporting) == sorted(paths)
