# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Compiled engines run as code: none is read that another user could have put there."""

from __future__ import annotations

from collections.abc import Iterator
import json
import os
from pathlib import Path
from typing import Any

from depthforge_ros.engine import compiled
from depthforge_ros.engine.artefact import (
    engines_directory,
    ENGINES_VARIABLE,
    FORMAT,
    make_engines_directory,
    read,
    stored,
)
from depthforge_ros.errors import UserError
import pytest

FIELDS = {
    'format': FORMAT,
    'request': {'height': 56, 'width': 98},
    'fingerprint': {},
    'sha256': '',
    'ms': 0.0,
    'other_ms': 0.0,
}
ANOTHER_USER = 54321


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """Write an engine into two folders; returns its description."""
    (tmp_path / 'cache' / 'engines').mkdir(parents=True)
    path = tmp_path / 'cache' / 'engines' / 'one.json'
    path.write_text(json.dumps(FIELDS))
    for suffix in ('.pt2', '.npz'):
        path.with_suffix(suffix).touch()
    for one in (*path.parent.iterdir(), path.parent, path.parent.parent):
        one.chmod(0o700)
    read(path)
    return path


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -1.0, 'fast'])
def test_times_that_are_none_are_refused(engine: Path, value: Any) -> None:
    engine.write_text(json.dumps(FIELDS | {'ms': value}))
    with pytest.raises(UserError, match='does not describe a compiled engine'):
        read(engine)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Let groups write what is made, as distributions with a group for every user do."""
    before = os.umask(0o002)
    yield
    os.umask(before)


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(path)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def linked(link: Path, target: Path) -> Path:
    """Move a file or folder to `target`, and leave a link to it."""
    link.rename(target)
    link.symlink_to(target)
    return target


def own_by_another(path: Path, asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another user own it, for who asks by Path.stat or Path.lstat."""
    ask = getattr(Path, asked)

    def other(self: Path, **options: Any) -> Any:
        status = ask(self, **options)
        if self != path:
            return status
        return os.stat_result((*status[:4], ANOTHER_USER, *status[5:]))

    monkeypatch.setattr(Path, asked, other)


@pytest.mark.parametrize('mode', [0o620, 0o602])
@pytest.mark.parametrize('suffix', ['.json', '.pt2', '.npz'])
def test_a_file_that_others_may_write_is_refused(engine: Path, suffix: str, mode: int) -> None:
    engine.with_suffix(suffix).chmod(mode)
    assert f'{engine.with_suffix(suffix)} could have been written' in refusal(engine)


@pytest.mark.parametrize('mode', [0o720, 0o702])
def test_folders_that_others_may_write_are_refused(engine: Path, mode: int) -> None:
    folder = engine.parent.parent
    folder.chmod(mode)
    assert f'may replace {folder} or what lies in it' in refusal(engine)
    assert f'chmod go-w {folder}' in refusal(engine)
    # As /tmp is: only owners replace what is theirs.
    folder.chmod(mode | 0o1000)
    read(engine)
    # But others may add engines to a folder of engines.
    engine.parent.chmod(mode | 0o1000)
    assert f'{engine.parent} could have been written' in refusal(engine)


def test_files_and_folders_of_another_user_are_refused(
    engine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as for_now:
        own_by_another(engine.parent.parent, 'lstat', for_now)
        assert f'owner {ANOTHER_USER}' in refusal(engine)
    own_by_another(engine, 'stat', monkeypatch)
    assert f'{engine} could have been written by another user' in refusal(engine)


@pytest.mark.parametrize('name', ['one.json', 'one.pt2', 'one.npz', '.', '..'])
def test_no_link_hides_a_folder_that_others_may_write(
    engine: Path, name: str, tmp_path: Path
) -> None:
    link = (engine.parent / name).resolve()
    (tmp_path / 'elsewhere' / 'deep').mkdir(parents=True)
    moved = linked(link, tmp_path / 'elsewhere' / 'deep' / 'moved')
    read(engine)
    # A second link on the way to the first one's target.
    linked(tmp_path / 'elsewhere', tmp_path / 'third')
    assert moved.exists()
    read(engine)
    (tmp_path / 'third').chmod(0o770)
    assert f'may replace {tmp_path / "third"} or what' in refusal(engine)


def test_a_link_of_another_user_is_refused(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked(engine.parent, tmp_path / 'moved')
    read(engine)
    own_by_another(engine.parent, 'lstat', monkeypatch)
    assert f'may replace {engine.parent} or' in refusal(engine)


@pytest.mark.usefixtures('open_umask')
def test_folders_for_engines_are_ones_own_under_an_open_umask(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENGINES_VARIABLE, str(tmp_path / 'new' / 'depthforge' / 'engines'))
    make_engines_directory()
    for one in engine.parent.iterdir():
        one.rename(engines_directory() / one.name)
    read(engines_directory() / engine.name)


def test_a_file_is_no_folder_for_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / 'engines'
    file.touch()
    monkeypatch.setenv(ENGINES_VARIABLE, str(file))
    for ask in (make_engines_directory, lambda: stored('depthforge_tiny', 'openvino')):
        with pytest.raises(UserError, match='engines, a file; name a folder'):
            ask()


def test_a_folder_from_which_nothing_is_read_gets_no_engines(
    engine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENGINES_VARIABLE, str(engine.parent))
    engine.parent.parent.chmod(0o770)
    with pytest.raises(UserError, match='other users may replace'):
        make_engines_directory()


@pytest.mark.parametrize(
    'changed', ['engine/uncompiled.py', 'engine/tensorrt/compiler.py', 'model/vit.py']
)
def test_code_of_every_folder_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    for name in (
        'engine/compiled.py',
        'engine/uncompiled.py',
        'engine/tensorrt/compiler.py',
        'model/vit.py',
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('')
    monkeypatch.setattr(compiled, '__file__', str(tmp_path / 'engine' / 'compiled.py'))
    before = compiled._digest_of_code()
    (tmp_path / changed).write_text('# other code')
    assert compiled._digest_of_code() != before
