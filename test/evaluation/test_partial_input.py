# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Input that is less than it promises: commands read what is there, say so, and end with 3."""

from __future__ import annotations

import json
import os
from pathlib import Path
import shutil
import sqlite3
import sys
import tempfile
from typing import Any

from depthforge_ros.bags.bag import Bag
from depthforge_ros.bags.repair import repaired
from depthforge_ros.cli.main import main
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation import prediction
from hypothesis import example, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from support.bags import cut, recording, scene, write_bag
from support.drives import write_drive, write_video

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NULL = ('--engine', 'null')
FRAMES = 12


def run(command: str, source: Path, output: Path) -> tuple[int, dict[str, Any]]:
    """Run a command that reads a bag or a video; returns its exit code and figures."""
    output.mkdir()
    figures = output / 'json.json'
    target = output / ('view.mcap' if command == 'view' else 'out')
    code = main([command, str(source), *NULL, '--output', str(target), '--json', str(figures)])
    return code, json.loads(figures.read_text()) if figures.is_file() else {}


def frames(figures: dict[str, Any]) -> int:
    return figures.get('frames') or figures['messages']['/camera/image/compressed']


@pytest.mark.parametrize('command', ['predict', 'view'])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'rosbag1'])
@pytest.mark.parametrize('share', [0.5, 0.95])
def test_a_cut_bag_is_read_as_far_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, storage: str, share: float
) -> None:
    bag = cut(write_bag(tmp_path / 'bag', storage, frames=FRAMES), share)
    code, figures = run(command, bag, tmp_path / 'out')
    assert code == 3
    assert not figures['complete']
    assert 0 < frames(figures) <= FRAMES
    said = capsys.readouterr().err
    assert 'cut short' in said
    assert 'repaired' not in said


@pytest.mark.parametrize('command', ['predict', 'view'])
def test_fewer_messages_than_metadata_promises_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    bag = write_bag(tmp_path / 'bag', frames=FRAMES)
    short = write_bag(tmp_path / 'short', frames=7)
    shutil.copy(next(short.glob('*.mcap')), next(bag.glob('*.mcap')))
    code, figures = run(command, bag, tmp_path / 'out')
    assert code == 3
    assert frames(figures) == 7
    assert '7 of the 12 messages of /camera/image' in capsys.readouterr().err


def write_broken_video(path: Path) -> Path:
    """Write a video whose head is whole and whose second half is not."""
    data = write_video(path, FRAMES).read_bytes()
    if path.suffix == '.avi':
        return cut(path, 0.8)
    index = data.index(b'moov') - 4
    path.write_bytes(data[: index // 2] + bytes(index - index // 2) + data[index:])
    return path


@pytest.mark.parametrize(
    ('command', 'name'), [('predict', 'a.avi'), ('predict', 'a.mp4'), ('view', 'a.avi')]
)
def test_a_video_that_breaks_off_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    code, figures = run(command, write_broken_video(tmp_path / name), tmp_path / 'out')
    assert code == 3
    assert not figures['complete']
    assert 0 < frames(figures) < FRAMES
    assert f'{frames(figures)} of {FRAMES} frames read' in capsys.readouterr().err


def write_split(folder: Path, parts: int) -> Path:
    """Write a folder of several mcap files without metadata."""
    folder.mkdir()
    for part in range(parts):
        with recording(folder / f'part{part}') as bag:
            for frame in range(3):
                bag.image('/camera/image', 3 * part + frame, scene(frame), 'rgb8')
        file = next((folder / f'part{part}').glob('*.mcap'))
        file.rename(folder / f'bag_{part}.mcap')
        shutil.rmtree(folder / f'part{part}')
    (folder / '._bag_0.mcap').write_bytes(b'Mac OS X')
    return folder


@pytest.mark.parametrize('command', ['predict', 'view'])
def test_a_folder_of_bag_files_without_metadata_is_read(tmp_path: Path, command: str) -> None:
    code, figures = run(command, write_split(tmp_path / 'bag', 11), tmp_path / 'out')
    assert code == 3  # nobody knows whether that is all
    assert frames(figures) == 33


def test_of_several_files_the_others_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_split(tmp_path / 'bag', 3)
    (bag / 'bag_1.mcap').write_bytes(b'\x89MCAP0\r\n')
    code, figures = run('predict', bag, tmp_path / 'out')
    assert code == 3
    assert frames(figures) == 6
    assert 'bag_1.mcap lost' in capsys.readouterr().err


def unfinished_wal(bag: Path) -> None:
    """Leave the last frames in the log of SQLite, as a recorder that is killed does."""
    file = next(bag.glob('*.db3'))
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute('PRAGMA journal_mode=WAL')
    connection.execute('PRAGMA wal_autocheckpoint=0')
    rows = connection.execute('SELECT topic_id, timestamp, data FROM messages').fetchall()
    connection.execute('DELETE FROM messages')
    connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    for row in rows:
        connection.execute(
            'INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)', row
        )
    copies = [shutil.copy(f'{file}{end}', f'{file}{end}.kept') for end in ('', '-wal')]
    connection.close()
    for copy in copies:
        os.replace(copy, str(copy).removesuffix('.kept'))
    (bag / 'metadata.yaml').unlink()


def test_what_sqlite_still_has_in_its_log_is_read(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', 'sqlite3', frames=FRAMES)
    unfinished_wal(bag)
    before = {path.name: path.read_bytes() for path in bag.iterdir()}
    code, figures = run('predict', bag, tmp_path / 'out')
    assert code == 3
    assert frames(figures) == FRAMES
    assert {path.name: path.read_bytes() for path in bag.iterdir()} == before


def test_an_unfinished_rosbag1_is_read(tmp_path: Path) -> None:
    bag = cut(write_bag(tmp_path / 'bag', 'rosbag1', frames=FRAMES), 0.9)
    code, figures = run('predict', bag.rename(tmp_path / 'bag.bag.active'), tmp_path / 'out')
    assert code == 3
    assert 0 < frames(figures) < FRAMES


@pytest.mark.parametrize(('storage', 'suffix'), [('mcap', 'MCAP'), ('sqlite3', 'Db3')])
def test_the_case_of_a_suffix_does_not_matter(tmp_path: Path, storage: str, suffix: str) -> None:
    bag = write_bag(tmp_path / 'bag', storage, frames=3)
    file = next(one for one in bag.iterdir() if one.suffix != '.yaml')
    code, figures = run('predict', file.rename(tmp_path / f'X.{suffix}'), tmp_path / 'out')
    assert code == 0
    assert frames(figures) == 3


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_compressed_file_is_read_and_stays_as_it_is(tmp_path: Path, storage: str) -> None:
    bag = write_bag(tmp_path / 'bag', storage, frames=3)
    file = next(one for one in bag.iterdir() if one.suffix != '.yaml')
    packed = zstd.compress(file.read_bytes())
    path = tmp_path / f'{file.name}.zstd'
    for number, (data, expected) in enumerate([(packed, 0), (packed[:-99], 2), (b'none', 2)]):
        path.write_bytes(data)
        code, figures = run('predict', path, tmp_path / f'out{number}')
        assert code == expected
        assert path.read_bytes() == data
        assert code or frames(figures) == 3


def test_a_name_that_sqlite_cannot_open_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_bag(tmp_path / os.fsdecode(b'b\xff'), 'sqlite3', frames=1)
    assert run('predict', bag, tmp_path / 'out')[0] == 2
    assert 'not UTF-8 here, which SQLite cannot open; rename it' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('name', 'data', 'words'),
    [
        ('a.mcap', b'\x89MCAP0\r\n', 'mcap recover'),
        ('a.bag', b'#ROSBAG V2.0\n', 'rosbag reindex'),
        ('a.db3', b'SQLite format 3\0', 'sqlite3 FILE .recover'),
        ('a.mcap', b'\x89MCAP0\r\n\x01\x0c\0\0\0\0\0\0\0\x04\0\0\0ros1\0\0\0\0', 'ROS 1'),
        ('a.mcap', b'\x89MCAP0\r\n\x01\x08' + bytes(15), 'not recorded by ROS 2'),
    ],
)
def test_the_advice_is_for_that_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(data)
    assert run('predict', tmp_path / name, tmp_path / 'out')[0] == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert words in line
    assert 'mcap' in name or 'ros2 bag reindex' not in line or name.endswith('db3')


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'rosbag1'])
@settings(max_examples=25, deadline=None)
@given(share=st.floats(0.0, 1.0))
@example(share=0.853515625)
def test_a_bag_cut_anywhere_gives_a_beginning_of_its_messages(storage: str, share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'bag'
        with recording(path, storage) as bag:
            for frame in range(4):
                bag.image('/camera/image', frame, np.full((8, 8), frame, np.uint8), 'mono8')
        path = next(one for one in (path, path.with_suffix('.bag')) if one.exists())
        with Bag(path) as whole:
            sent = [one.raw for one in whole.raw_messages('/camera/image')]
        cut(path, share)
        try:
            with repaired(path) as (copy, damage), Bag(copy, lenient=True) as part:
                read = [one.raw for one in part.raw_messages('/camera/image')]
                damage = damage or part.damage
        except UserError:
            return
        assert [bytes(one) for one in read] == [bytes(one) for one in sent[: len(read)]]
        assert damage or len(read) == len(sent)


def test_figures_are_there_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive, output = write_drive(tmp_path / 'drive', 5), tmp_path / 'out'
    made = prediction.depth_levels
    calls = iter(range(5))

    def interrupted(depth: np.ndarray) -> Any:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return made(depth)

    monkeypatch.setattr(prediction, 'depth_levels', interrupted)
    assert main(['predict', str(drive / 'images'), *NULL, '--output', str(output)]) == 130
    stored = json.loads((output / 'figures.json').read_text())
    assert set(stored['depth_scale']) == {one.stem for one in (output / 'depth').iterdir()}
    assert stored['inputs'] == {
        name: str(drive / 'images' / f'{name}.png') for name in ('000', '001', '002')
    }


@pytest.mark.parametrize('full_at', range(1, 14))
def test_a_disk_that_fills_up_leaves_no_depth_without_its_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    full_at: int,
) -> None:  # fmt: skip
    drive, output = write_drive(tmp_path / 'drive', 4), tmp_path / 'out'
    writes = iter(range(1000))
    real = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if next(writes) >= full_at and len(list(output.rglob('*.*'))) >= full_at:
            raise OSError(28, 'No space left on device')
        return real(path, data)

    monkeypatch.setattr(Path, 'write_bytes', full)
    code = main(['predict', str(drive / 'images'), *NULL, '--output', str(output)])
    monkeypatch.undo()
    said = capsys.readouterr().err
    assert 'Traceback' not in said
    assert code == 2 or full_at > 12
    written = {one.stem for one in (output / 'depth').iterdir()}
    if written:
        assert set(json.loads((output / 'figures.json').read_text())['depth_scale']) == written
    assert not list(output.rglob('.depthforge*'))


@pytest.mark.parametrize('stored', ['[1]', '"a"', '{"inputs": 3}', '{', '\xff'])
def test_another_figures_json_is_written_over(tmp_path: Path, stored: str) -> None:
    drive, figures = write_drive(tmp_path / 'drive', 1), tmp_path / 'out' / 'figures.json'
    figures.parent.mkdir()
    figures.write_text(stored, encoding='latin-1')
    assert main(['predict', str(drive / 'images'), *NULL, '--output', str(figures.parent)]) == 0
    assert list(json.loads(figures.read_text())['depth_scale']) == ['000']


def test_the_scales_of_an_earlier_run_are_kept(tmp_path: Path) -> None:
    first, second = write_drive(tmp_path / 'a', 2), write_drive(tmp_path / 'b', 3)
    shutil.copy(second / 'images' / '002.png', second / 'other.png')
    for source in (first / 'images', second / 'other.png'):
        assert main(['predict', str(source), *NULL, '--output', str(tmp_path / 'out')]) == 0
    stored = json.loads((tmp_path / 'out' / 'figures.json').read_text())
    assert set(stored['depth_scale']) == {'000', '001', 'other'}
