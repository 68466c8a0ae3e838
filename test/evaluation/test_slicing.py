# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Slices of bags and images: tags, distances, gates and what cannot be sliced."""

from __future__ import annotations

import argparse
from pathlib import Path

from depthforge_ros.cli import view
from depthforge_ros.cli.evaluate import add_bag_arguments, SHARED_WITH_VIEW
from depthforge_ros.cli.main import main
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.compare import Gate
from depthforge_ros.evaluation.tags import Tags
from depthforge_ros.metrics.slices import SLICES
from depthforge_ros.reports.slices import slice_rows
import numpy as np
import pytest
from support.bags import HEIGHT, recording, scene, WIDTH, write_bag, write_truth
from support.commands import figures_of
from support.drives import make_bag_arguments, write_drive
from support.judging import CAMVID_TRUTH, judge, NULL
from support.paths import ROOT
from support.refusals import ErrorOf


def recorded(path: Path, right: int) -> Path:
    """Record 12 frames, all road; of the last four so many columns are answered so."""
    with recording(path) as bag:
        for frame in range(12):
            bag.image('/camera/image', frame, scene(frame), 'rgb8')
            write_truth(bag, frame)
            mask = np.full((HEIGHT, WIDTH), 5, np.uint8)
            mask[:, : WIDTH if frame < 8 else right] = 3
            bag.image('/n/segmentation/mask', frame, mask, 'mono8', later_ms=10.0)
    return path


def table(folder: Path, *lines: str) -> str:
    path = folder / 'tags.csv'
    path.write_text('\n'.join(('frames,tag', *lines)) + '\n', encoding='utf-8')
    return str(path)


def test_tags_of_a_spreadsheet_are_read(tmp_path: Path) -> None:
    path = tmp_path / 'tags.csv'
    path.write_bytes(b'\xef\xbb\xbfframes,tag\r\nbag/*,night\r\n')
    assert Tags.read(path).of('bag/1') == ['night']


def test_the_report_passes_on_every_option_that_view_has_too() -> None:
    ours, theirs = argparse.ArgumentParser(), argparse.ArgumentParser()
    add_bag_arguments(ours)
    view.add_arguments(theirs)
    shared = {name for name in vars(theirs.parse_args(['bag', '--output', 'a.mcap']))
              if name in vars(ours.parse_args([]))}  # fmt: skip
    assert shared == {*SHARED_WITH_VIEW, 'model', 'mask_labels'}
    for name, default in SHARED_WITH_VIEW.items():
        assert ours.get_default(name) == theirs.get_default(name) == default


def test_frames_count_in_the_slice_of_their_own_time(tmp_path: Path) -> None:
    path = tmp_path / 'slow'
    with recording(path) as bag:
        for frame in range(0, 150, 10):
            bag.image('/camera/image', frame, scene(0), 'rgb8')
            write_truth(bag, frame)
            mask = np.full((HEIGHT, WIDTH), 3, np.uint8)
            bag.image('/n/segmentation/mask', frame, mask, 'mono8', later_ms=10.0)
    slices = judge(tmp_path, path, *CAMVID_TRUTH)['slices']
    assert slices['0-10s']['pixels'] == 10 * HEIGHT * WIDTH
    assert slices['10-20s']['pixels'] == 5 * HEIGHT * WIDTH


def stamps_of(figures: dict) -> list[int]:  # type: ignore[type-arg]
    return [clip['start_ns'] for clip in figures['clips']]


def test_tags_are_slices_and_part_the_clips(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = recorded(tmp_path / 'bag', WIDTH // 2)
    last = max(stamps_of(judge(tmp_path, bag, *CAMVID_TRUTH)))
    tags = table(tmp_path, *(f'bag/{last + n * 100_000_000},night' for n in range(4)),
                 'bag/*,all', 'tunnel_bag/*,tunnel')  # fmt: skip
    figures = judge(tmp_path, bag, *CAMVID_TRUTH, '--slices', tags)
    slices = figures['slices']
    assert slices['night']['per_class']['road'] == 50.0
    assert slices['all']['per_class'] == slices['whole']['per_class'] == figures['per_class']
    assert [clip['tags'] for clip in figures['clips']] == [['all'], ['all', 'night']]
    assert figures['unmatched_tags'] == ['tunnel_bag/*,tunnel']
    assert figures['distances'] == 'truth'
    said = capsys.readouterr().err
    assert 'lines of tags that match no frame: 1, the first is tunnel_bag/*,tunnel' in said
    assert 'no figures of' in said
    assert figures['slices_without_pixels'] == [name for name in SLICES if name not in slices]


@pytest.fixture(scope='module')
def two_judgements(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Judge two bags with slices: the files of figures, of which the second is worse by night."""
    files = []
    for right in (WIDTH // 2, WIDTH // 4):
        folder = tmp_path_factory.mktemp('judged')
        last = 1_700_000_000_800_000_000
        tags = table(folder, *(f'bag/{last + n * 100_000_000},night' for n in range(4)))
        judge(folder, recorded(folder / 'bag', right), *CAMVID_TRUTH, '--slices', tags)
        files.append(str(folder / 'figures.json'))
    return files


@pytest.mark.parametrize(
    ('gate', 'code'),
    [
        ('road@night:-1.0', 4),
        ('road@night:-30', 0),
        ('road@whole:-1.0', 4),
        ('miou@top-left:9', 4),
    ],
)
def test_a_gate_holds_a_slice(
    two_judgements: list[str], gate: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['compare', *two_judgements, '--gate', gate]) == code
    said = capsys.readouterr()
    assert f'| {gate.rpartition(":")[0]} ' in said.out
    if gate == 'road@night:-1.0':
        assert 'is worse than' in said.err
        assert 'by 25, 1 is allowed' in said.err


def test_a_gate_of_a_slice_that_is_not_there_is_refused(
    two_judgements: list[str], error_of: ErrorOf
) -> None:
    error = error_of('compare', *two_judgements, '--gate', 'road@fog:-1.0')
    assert 'gate road@fog: ' in error
    error = error_of('compare', *two_judgements, '--gate', 'rode@0-10m:-1.0')
    assert 'rode is no class of' in error
    assert 'did you mean road?' in error


def test_gates_of_slices_take_either_sign() -> None:
    assert Gate.parse('person@20-40m:-1.0') == Gate.parse('person@20-40m:1') == Gate(
        'person@20-40m', 1.0)  # fmt: skip
    with pytest.raises(UserError, match='or of a slice, CLASS@SLICE:AMOUNT'):
        Gate.parse('person@20-40m:x')


@pytest.mark.parametrize(
    ('lines', 'words'),
    [
        (['tag,frames'], 'begins with tag,frames'),
        (['frames,tag', 'bag/*'], 'line 2: bag/* is no row'),
        (['frames,tag', 'bag/*,'], 'line 2: bag/*, is no row'),
        (['frames,tag', 'bag/*,20-40m'], "line 2: '20-40m' cannot be a tag"),
        (['frames,tag', 'bag/*,10-20s'], "line 2: '10-20s' cannot be a tag"),
        (['frames,tag', 'bag/*,a:b'], "'a:b' cannot be a tag"),
        ([], 'is no table of tags'),
        (['frames,tag'], 'has no line below its head'),
    ],
)
def test_wrong_tables_of_tags_are_refused(tmp_path: Path, lines: list[str], words: str) -> None:
    path = tmp_path / 'tags.csv'
    path.write_text('\n'.join(lines), encoding='utf-8')
    with pytest.raises(UserError) as caught:
        Tags.read(path)
    assert words in str(caught.value)
    with pytest.raises(UserError, match='cannot be read'):
        Tags.read(tmp_path / 'none.csv')


def test_tags_of_images(
    folder: Path, error_of: ErrorOf, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / 'figures.json'
    command = ['evaluate', 'images', '--dataset', 'folder', '--root', str(folder), '--labels',
               'camvid', '--engine', 'null']  # fmt: skip
    tags = table(folder, '1.png,rain', 'x*,fog')
    report = folder / 'page.html'
    more = ('--slices', tags, '--domain', 'first=0*', '--report', report)
    figures = figures_of(folder, *command, *more)
    assert figures['slices']['rain']['clips'] == figures['slices']['first']['clips'] == 1
    assert figures['domains']['first']['images'] == 1
    assert figures['unmatched_tags'] == ['x*,fog']
    assert figures['aurc'] is not None
    assert 'match no frame' in capsys.readouterr().err
    with_fog = ('--slices', tags, '--corruption', 'fog')
    assert '--slices is of images as they are' in error_of(*command, *with_fog)
    page = report.read_text(encoding='utf-8')
    assert 'Slices, worst first' in page
    assert f'depthforge predict {folder}/images/' in page
    assert main(['compare', str(path), str(path), '--gate', 'miou@rain:-1']) == 0


def test_distances_from_our_own_depth_need_a_camera(tmp_path: Path, error_of: ErrorOf) -> None:
    without = ('--truth-labels', 'camvid', '--camera-height-m', '1.5', '--engine', 'null')
    error = error_of('evaluate', 'bag', write_bag(tmp_path / 'bare'), *without)
    assert 'has no camera_info beside' in error
    drive = write_drive(tmp_path / 'drive')
    arguments = make_bag_arguments(drive, tmp_path / 'bag')
    at = arguments.index('--depth')
    assert main(arguments[:at] + arguments[at + 2 :]) == 0
    figures = judge(tmp_path, tmp_path / 'bag', *NULL, '--camera-height-m', '1.5')
    assert figures['distances'] == 'own'


def test_own_distances_of_the_bundled_drive_are_slices(tmp_path: Path) -> None:
    drive = ROOT / 'drive'
    (tmp_path / 'images').mkdir()
    for path in sorted((drive / 'images').iterdir())[:10]:
        (tmp_path / 'images' / path.name).symlink_to(path)
    assert main(['make-bag', str(tmp_path / 'images'), '--labels', str(drive / 'labels'),
                 '--camera-info', str(drive / 'camera.yaml'), '--rate-hz', '10', '--output',
                 str(tmp_path / 'bag')]) == 0  # fmt: skip
    figures = judge(tmp_path, tmp_path / 'bag', '--camera-height-m', '1.5')
    assert figures['distances'] == 'own'
    bands = [figures['slices'][name]['pixels'] for name in ('0-10m', '10-20m', '20-40m')]
    assert min(bands) > 1_000


def test_the_report_leads_to_frames_and_the_command_opens_them(tmp_path: Path) -> None:
    bag = recorded(tmp_path / 'bag', WIDTH // 2)
    page = tmp_path / 'page.html'
    judge(tmp_path, bag, *CAMVID_TRUTH, '--report', str(page))
    text = page.read_text(encoding='utf-8')
    # Road was taken for tree: class 3 for 5.
    assert '<figure id="cell-0-3-5">' in text
    assert '"cell-0-3-5"' in text.replace('<figure id="cell-0-3-5">', '')
    assert 'href="#slice-0-0"' in text
    assert '<figure id="slice-0-0">' in text
    (command, *_) = [
        part.partition('</code>')[0]
        for part in text.partition('id="cell-0-3-5"')[2].split('<code>')[1:]
    ]
    words = command.split()
    assert words[:2] == ['depthforge', 'view']
    output = tmp_path / 'moment.mcap'
    words[words.index('--output') + 1] = str(output)
    counts = figures_of(tmp_path, *words[1:])['messages']
    assert set(counts.values()) == {1}
    output.unlink()
    found = figures_of(tmp_path, *words[1:], '--at', '7', code=3)
    assert set(found['messages'].values()) == {1}
    assert not found['complete']


def test_the_worst_slice_is_that_furthest_below_the_same_classes_of_everything() -> None:
    whole = {'miou': 50.0, 'per_class': {'road': 90.0, 'pole': 10.0}}
    slices = {
        'whole': whole,
        'near': {'miou': 80.0, 'class_pixels': {'road': 9, 'pole': 0}},
        'far': {'miou': 45.0, 'class_pixels': {'road': 9, 'pole': 9}},
    }
    for one in slices.values():
        one |= {'pixels': 9, 'absrel': None, 'intervals': {'miou': [0.0, 100.0]}}
    rows = slice_rows({'slices': slices})
    assert [row.cells[:3] for row in rows] == [
        ('miou@near', '80.0 [0.0, 100.0]', '-10.0'),
        ('miou@far', '45.0 [0.0, 100.0]', '-5.0'),
    ]


def test_depth_without_labels_has_its_slices_in_the_report(tmp_path: Path) -> None:
    drive = write_drive(tmp_path / 'drive', 2)
    assert main(['make-bag', str(drive / 'images'), '--depth', str(drive / 'depth'),
                 '--camera-info', str(drive / 'camera.yaml'), '--rate-hz', '10', '--output',
                 str(tmp_path / 'bag')]) == 0  # fmt: skip
    page = tmp_path / 'page.html'
    figures = judge(tmp_path, tmp_path / 'bag', '--engine', 'null', '--report', str(page))
    assert figures['miou'] is None
    assert figures['distances'] == 'truth'
    assert 'Depth in slices, largest error first' in page.read_text(encoding='utf-8')
