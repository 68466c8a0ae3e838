# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path
from random import Random
import stat
import tempfile

from depthforge_ros.errors import UserError
from depthforge_ros.files import is_hidden, natural_key, read_bytes, write_bytes, write_text
from hypothesis import given
from hypothesis import strategies as st
import pytest
from support.limits import full_disk

NAMES = st.binary(min_size=1, max_size=40).filter(
    lambda name: b'/' not in name and b'\0' not in name and name not in (b'.', b'..')
)
"""What Linux takes as the name of a file."""


@given(st.lists(st.integers(0, 10**30), unique=True), st.sampled_from(['', 'frame_', 'Ü_']))
def test_numbers_in_names_sort_as_numbers(numbers: list[int], before: str) -> None:
    names = [f'{before}{number}.png' for number in sorted(numbers)]
    names.reverse()
    assert [*reversed(names)] == sorted(names, key=natural_key)


@given(st.lists(st.text()), st.randoms())
def test_any_names_have_one_order(names: list[str], random: Random) -> None:
    before = sorted(names, key=natural_key)
    random.shuffle(names)
    assert sorted(names, key=natural_key) == before


@given(NAMES, st.binary())
def test_a_name_may_be_any_bytes(name: bytes, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / os.fsdecode(name)
        write_bytes(path, data)
        assert read_bytes(path) == data
        assert os.listdir(os.fsencode(folder)) == [name]
        assert is_hidden(path) == name.startswith(b'.')


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / 'figures.json'
    write_text(path, 'before')
    with full_disk(1000), pytest.raises(UserError, match='cannot be written'):
        write_text(path, 'x' * 2000)
    assert path.read_text() == 'before'
    assert os.listdir(tmp_path) == ['figures.json']


def test_a_device_is_written_as_it_is_and_a_link_stays_one(tmp_path: Path) -> None:
    write_text(Path('/dev/null'), 'gone')
    assert stat.S_ISCHR(Path('/dev/null').stat().st_mode)
    with pytest.raises(UserError, match='/dev/full cannot be written'):
        write_text(Path('/dev/full'), 'x')
    link, target = tmp_path / 'link', tmp_path / 'folder' / 'target'
    link.symlink_to(target)
    write_text(link, 'text')
    assert link.is_symlink()
    assert target.read_text() == 'text'


def test_a_name_of_the_longest_length_is_written(tmp_path: Path) -> None:
    write_text(tmp_path / ('x' * 255), 'text')
    assert [len(name) for name in os.listdir(tmp_path)] == [255]
