# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Commands on files as users have them: odd names, hidden and broken files, turned images."""

from __future__ import annotations

import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile

import cv2
from depthforge_ros.bags.bag import Bag
from depthforge_ros.cli.main import main
from depthforge_ros.frame import rgb_from_file, rgb_from_message
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest
from support.drives import HEIGHT, make_bag_arguments, WIDTH, write_drive, write_video
from support.networks import mini_checkpoint
from support.paths import ROOT
from support.refusals import ErrorOf

STEMS = st.binary(min_size=1, max_size=30).filter(
    lambda name: b'/' not in name and b'\0' not in name and not name.startswith(b'.')
)
NULL = ('--engine', 'null')


@settings(max_examples=20)
@given(stem=STEMS)
def test_a_file_name_may_be_any_bytes(stem: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        drive = write_drive(Path(folder) / 'drive', 2)
        odd = drive / 'images' / (os.fsdecode(stem) + '.png')
        (drive / 'images' / '001.png').rename(odd)
        (drive / 'labels' / '001.png').rename(drive / 'labels' / odd.name)
        output = Path(folder) / os.fsdecode(b'out_' + stem)
        assert main(['predict', str(drive / 'images'), *NULL, '--output', str(output)]) == 0
        sidecar = json.loads((output / 'figures.json').read_text())
        assert set(sidecar['depth_scale']) == {'000', odd.stem}
        for name in ('masks', 'depth'):
            assert (output / name / f'{odd.stem}.png').is_file()
        figures = output / 'images.json'
        assert main(['evaluate', 'images', '--dataset', 'folder', '--labels', 'camvid', *NULL,
                     '--root', str(drive), '--json', str(figures)]) == 0  # fmt: skip
        assert json.loads(figures.read_text())['images'] == 2
        assert main(make_bag_arguments(drive, output / 'bag', '--json', str(figures))) == 0
        assert json.loads(figures.read_text())['topics']['/camera/labels'] == 2


def test_names_that_are_not_ascii_do_in_a_c_locale(tmp_path: Path) -> None:
    drive = write_drive(tmp_path / 'drive', 2)
    (drive / 'images' / '001.png').rename(drive / 'images' / 'Straße_日.png')
    environment = {
        **os.environ, 'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0',
        'PYTHONPATH': str(ROOT),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, '-m', 'depthforge_ros.cli.main', 'predict', str(drive / 'images'), *NULL,
         '--output', str(tmp_path / 'ä')],
        env=environment, capture_output=True, text=True, errors='replace', check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'ä' / 'masks' / 'Straße_日.png').is_file()


def test_a_video_whose_name_is_not_utf_8_is_refused_in_one_line(
    tmp_path: Path, error_of: ErrorOf
) -> None:
    video = write_video(tmp_path / 'a.avi').rename(tmp_path / os.fsdecode(b'a\xff.avi'))
    assert 'not UTF-8' in error_of('predict', video, *NULL, '--output', tmp_path / 'out')


def test_a_checkpoint_whose_name_is_not_utf_8_is_refused_in_one_line(
    tmp_path: Path, error_of: ErrorOf
) -> None:
    drive, odd = write_drive(tmp_path / 'drive', 1), tmp_path / os.fsdecode(b'a\xff.safetensors')
    plain = tmp_path / 'a.safetensors'
    mini_checkpoint(plain)
    shutil.copy(plain, odd)
    for arguments in (
        ('predict', drive / 'images', '--model', odd, '--output', tmp_path / 'out'),
        ('convert', odd, '--output', tmp_path / 'b.safetensors'),
        ('export', '--model', plain, '--height', '28', '--width', '28', '--output',
         tmp_path / os.fsdecode(b'a\xff.onnx')),
    ):  # fmt: skip
        assert 'not UTF-8' in error_of(*arguments)


def test_names_of_the_longest_length_leave_room_for_numbers(tmp_path: Path) -> None:
    video = write_video(tmp_path / 'a.avi').rename(tmp_path / f'{"x" * 251}.avi')
    output = tmp_path / 'out'
    assert main(['predict', str(video), str(video), *NULL, '--output', str(output)]) == 0
    names = {path.stem for path in (output / 'masks').iterdir()}
    assert len(names) == 6
    assert max(map(len, names)) == 250
    assert set(json.loads((output / 'figures.json').read_text())['depth_scale']) == names


@pytest.mark.parametrize('name', ['2026-11-30T10:15:00.mp4', 'file:a.avi', 'concat:b.avi'])
def test_a_relative_name_with_a_colon_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_video(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert main(['predict', name, *NULL, '--output', 'out']) == 0
    assert len(list((tmp_path / 'out' / 'masks').iterdir())) == 3


def test_images_are_taken_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    drive = write_drive(tmp_path / 'drive', 12)
    for name in ('images', 'labels', 'depth'):
        for index in range(12):
            (drive / name / f'{index:03d}.png').rename(drive / name / f'frame_{index + 1}.png')
    assert main(make_bag_arguments(drive, tmp_path / 'bag')) == 0
    with Bag(tmp_path / 'bag') as bag:
        for index, recorded in enumerate(bag.raw_messages('/camera/image')):
            rgb = rgb_from_message(bag.decode(recorded))
            expected = rgb_from_file(drive / 'images' / f'frame_{index + 1}.png')
            np.testing.assert_array_equal(rgb, expected)


def commands(drive: Path, output: Path) -> dict[str, list[str]]:
    """Arguments of the commands that read a folder of images."""
    images, figures = str(drive / 'images'), str(output / 'figures.json')
    return {
        'predict': ['predict', images, *NULL, '--output', str(output), '--json', figures],
        'view': ['view', images, *NULL, '--output', str(output / 'a.mcap'), '--json', figures],
        'images': ['evaluate', 'images', '--dataset', 'folder', '--labels', 'camvid', *NULL,
                   '--root', str(drive), '--json', figures],
        'make-bag': make_bag_arguments(drive, output / 'bag', '--json', figures),
        'make-bag --compressed': make_bag_arguments(
            drive, output / 'bag', '--json', figures, '--compressed'),
    }  # fmt: skip


COMMANDS = ('predict', 'view', 'images', 'make-bag', 'make-bag --compressed')


@pytest.mark.parametrize('command', COMMANDS)
def test_hidden_files_are_no_images(tmp_path: Path, command: str) -> None:
    drive, output = write_drive(tmp_path / 'drive', 2), tmp_path / 'out'
    for name in ('images', 'labels', 'depth'):
        (drive / name / '._000.png').write_bytes(b'Mac OS X')
    assert main(commands(drive, output)[command]) == 0


@pytest.mark.parametrize('command', COMMANDS)
@pytest.mark.parametrize('content', [b'', b'no image', b'\xff\xd8\xff\xe0cut'])
def test_one_broken_image_is_named_and_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, content: bytes
) -> None:
    drive, output = write_drive(tmp_path / 'drive', 3), tmp_path / 'out'
    (drive / 'images' / '001.png').write_bytes(content)
    assert main(commands(drive, output)[command]) == 3
    said = capsys.readouterr().err
    assert [line for line in said.splitlines() if 'skipped' in line and '001.png' in line]
    assert 'Traceback' not in said
    assert json.loads((output / 'figures.json').read_text())['skipped'] == 1


@pytest.mark.parametrize('command', ['images', 'make-bag'])
def test_one_broken_label_file_is_named_and_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    drive, output = write_drive(tmp_path / 'drive', 3), tmp_path / 'out'
    label = drive / 'labels' / '001.png'
    label.write_bytes(label.read_bytes()[:50])
    assert main(commands(drive, output)[command]) == 3
    assert 'labels/001.png' in capsys.readouterr().err


@pytest.mark.parametrize('kind', ['image', 'labels'])
def test_a_suite_skips_and_names_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    for name, pixels in (('images', (HEIGHT, WIDTH, 3)), ('labels', (HEIGHT, WIDTH))):
        (tmp_path / 'test' / name).mkdir(parents=True)
        for frame in range(3):
            path = tmp_path / 'test' / name / f'0001TP_{frame:06d}.png'
            cv2.imwrite(str(path), np.full(pixels, 3, np.uint8))
    folder = 'images' if kind == 'image' else 'labels'
    (tmp_path / 'test' / folder / '0001TP_000001.png').write_bytes(b'no image')
    (tmp_path / 'test' / 'images' / '._0001TP_000001.png').write_bytes(b'no image')
    code = main(['evaluate', 'suite', 'camvid', '--root', str(tmp_path), *NULL])
    assert code == 3
    said = capsys.readouterr().err
    assert 'skipped' in said
    assert '0001TP_000001.png' in said
    assert '2 of 3 images judged' in said


@pytest.mark.parametrize('compressed', [[], ['--compressed']])
@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_a_bag_has_the_images_upright(tmp_path: Path, suffix: str, compressed: list[str]) -> None:
    drive = write_drive(tmp_path / 'drive', 1)
    stored = np.zeros((WIDTH, HEIGHT, 3), np.uint8)  # lies on its side
    stored[: WIDTH // 4] = (250, 20, 20)
    exif = Image.Exif()
    exif[0x0112] = 6
    (drive / 'images' / '000.png').unlink()
    path = drive / 'images' / f'000{suffix}'
    Image.fromarray(stored).save(path, exif=exif.tobytes())
    assert main(make_bag_arguments(drive, tmp_path / 'bag', *compressed)) == 0
    topic = '/camera/image/compressed' if compressed else '/camera/image'
    with Bag(tmp_path / 'bag') as bag:
        message = bag.decode(next(bag.raw_messages(topic)))
    rgb = rgb_from_message(message)
    assert np.abs(rgb.astype(int) - rgb_from_file(path)).mean() < 2.0
    if compressed:
        assert b'Exif' not in bytes(message.data)
    assert rgb[:, -8:].mean(axis=(0, 1))[0] > 200


@pytest.mark.parametrize('bits', [10, 12, 14])
def test_fewer_bits_than_sixteen_are_told_once_and_can_be_scaled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bits: int
) -> None:
    drive = write_drive(tmp_path / 'drive', 2)
    shutil.rmtree(drive / 'depth')
    full = np.random.default_rng(0).integers(0, 2**bits, (HEIGHT, WIDTH), np.uint16)
    full[0, 0] = 2**bits - 1
    for name in ('000.png', '001.png'):
        cv2.imwrite(str(drive / 'images' / name), full)
    arguments = make_bag_arguments(drive, tmp_path / 'bag')
    del arguments[arguments.index('--depth') : arguments.index('--depth') + 2]
    assert main(arguments) == 0
    said = capsys.readouterr().err
    assert said.count('warning') == 1
    # Not behind a progress bar, which would be drawn over it.
    assert '\rdepthforge: warning' in said
    assert f'up to {2**bits - 1}' in said
    assert f'to {2**bits - 1}' in said.rpartition('--white-level')[2]
    shutil.rmtree(tmp_path / 'bag')
    assert main([*arguments, '--white-level', str(2**bits - 1)]) == 0
    assert 'warning' not in capsys.readouterr().err
    with Bag(tmp_path / 'bag') as bag:
        rgb = rgb_from_message(bag.decode(next(bag.raw_messages('/camera/image'))))
    np.testing.assert_allclose(rgb[..., 1], full * (255.0 / (2**bits - 1)), atol=0.51)


@pytest.mark.parametrize('level', ['0', '65536', '-1'])
def test_a_white_level_that_is_none_is_refused(
    tmp_path: Path, error_of: ErrorOf, level: str
) -> None:
    error = error_of('predict', tmp_path, '--output', tmp_path, f'--white-level={level}')
    assert '1 to 65535' in error


STREET = {0: 40, 2: 25, 8: 16, 10: 5, 13: 8, 1: 6}
"""Pixels of train ids in a hundred, as in any street."""
OF_LABEL_IDS = {7: 45, 8: 7, 11: 30, 12: 3, 17: 4, 4: 5, 1: 6}


@pytest.mark.parametrize(
    ('shares', 'warned'),
    [(STREET, False), (OF_LABEL_IDS, True), ({7: 100}, True), ({7: 50, 8: 50}, True),
     ({0: 100}, False), ({8: 60, 10: 40}, False), ({1: 50, 2: 50}, False), ({255: 100}, False)],
)  # fmt: skip
def test_label_ids_that_pass_as_train_ids_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shares: dict[int, int], warned: bool
) -> None:
    drive = write_drive(tmp_path / 'drive', 2)
    ids = np.repeat(list(shares), [round(31 * n) for n in shares.values()])
    for name in ('000.png', '001.png'):
        pixels = np.resize(ids, (HEIGHT, WIDTH)).astype(np.uint8)
        cv2.imwrite(str(drive / 'labels' / name), pixels)
    assert main(['evaluate', 'images', '--dataset', 'folder', '--labels', 'cityscapes', *NULL,
                 '--label-space', 'camvid', '--root', str(drive)]) == 0  # fmt: skip
    assert ('look like Cityscapes label ids' in capsys.readouterr().err) == warned
