# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Labelled images, as they are and corrupted."""

from __future__ import annotations

from pathlib import Path
import sys
from typing import Any

import cv2
from depthforge_ros.cli.main import main
from depthforge_ros.engine import load_engine
from depthforge_ros.evaluation.corruptions import corruptions, NAMES
from depthforge_ros.evaluation.datasets import DatasetChoice, open_dataset
from depthforge_ros.evaluation.images import evaluate_images
from depthforge_ros.labels import CAMVID
from depthforge_ros.pipeline import Pipeline
import numpy as np
import pytest
from support.commands import figures_of
from support.refusals import ErrorOf

SIDE = 32


def command(folder: Path, *more: str) -> list[str]:
    return [
        *('evaluate', 'images', '--dataset', 'folder', '--labels', 'camvid', '--engine', 'null'),
        *('--root', str(folder), *more),
    ]


def test_figures_confusion_and_calibration_are_those_of_the_masks(folder: Path) -> None:
    pipeline = Pipeline(load_engine('depthforge_tiny', engine='null', short_side=SIDE))
    dataset = open_dataset('folder', DatasetChoice(root=folder, labels='camvid'))
    figures = evaluate_images(pipeline, dataset)
    assert figures['pixel_accuracy'] == 75.0
    assert np.sum(figures['confusion']) == 2 * 2 * SIDE * SIDE
    bins = np.array(figures['calibration'])
    assert bins[:, 0].sum() == 2 * 2 * SIDE * SIDE
    # Confidence rises from 0 to 1 over the rows, and the first quarter is wrong.
    levels = np.rint(np.linspace(0.0, 1.0, SIDE) * 255.0) / 255.0
    right = np.arange(SIDE) >= SIDE // 4
    tenth = np.minimum((levels * 10).astype(int), 9)
    wanted = sum(abs((right - levels)[tenth == index].sum()) for index in range(10)) / SIDE
    assert figures['ece'] == pytest.approx(100.0 * wanted, abs=0.01)


def test_report_shows_all_plots(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / 'page.html'
    assert main(command(folder, '--report', str(page))) == 0
    text = page.read_text()
    for words in ('IoU per class', 'Confusion', 'Calibration', 'mIoU'):
        assert words in text
    assert 'src="http' not in text


def test_domains_have_figures_of_their_own(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The second image is all wrong but for its last rows.
    labels = cv2.imread(str(folder / 'labels' / '1.png'), cv2.IMREAD_UNCHANGED)
    right = np.roll(labels, SIDE // 4, 0)
    right[: SIDE // 2] = (right[: SIDE // 2] + 2) % 11
    cv2.imwrite(str(folder / 'labels' / '1.png'), right)
    page = tmp_path / 'page.html'
    more = ['--domain', 'first=0*', '--domain', 'second=1*', '--domain', 'both=*.png']
    figures = figures_of(tmp_path, *command(folder, *more, '--report', str(page)))
    domains = figures['domains']
    assert list(domains) == ['first', 'second', 'both']
    assert [one['images'] for one in domains.values()] == [1, 1, 2]
    assert domains['first']['pixel_accuracy'] == 75.0
    assert domains['second']['pixel_accuracy'] == 50.0
    assert domains['both'] == {key: figures[key] for key in domains['both']}
    printed = capsys.readouterr().out
    for name, one in domains.items():
        row = [name, str(one['images']), f'{one["miou"]:.2f}', f'{one["ece"]:.2f}']
        assert row in [line.split()[:4] for line in printed.splitlines()]
        assert f'>{one["miou"]:.2f}</td>' in page.read_text()


def test_corruptions_give_a_row_each(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int, int]] = []

    class Package:
        @staticmethod
        def corrupt(rgb: Any, *, corruption_name: str, severity: int) -> Any:
            seen.append((corruption_name, severity, int(np.random.randint(10**9))))
            return rgb.astype(float)

    monkeypatch.setitem(sys.modules, 'imagecorruptions', Package)
    figures = figures_of(tmp_path, *command(folder, '--corruption', 'all', '--limit', '1'))
    rows = figures['corruptions']
    assert [(row['name'], row['severity']) for row in rows] == [
        (name, severity) for name in NAMES for severity in range(1, 6)
    ]
    assert len({noise for *_, noise in seen}) == 1
    assert set(rows[0]['per_class']) == set(CAMVID.classes)


def test_a_real_corruption_changes_the_image() -> None:
    pytest.importorskip('imagecorruptions', reason='an optional extra')
    rgb = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    weak, strong = (corruptions('fog', severity)[0](rgb, 3) for severity in (1, 5))
    assert weak.shape == rgb.shape
    assert weak.dtype == np.uint8
    assert np.abs(strong - rgb.astype(float)).mean() > np.abs(weak - rgb.astype(float)).mean()


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (['--corruption', 'fogg'], 'did you mean fog?'),
        (['--corruption', 'fog', '--severity', '6'], 'choose 1 (weak) to 5 (strong)'),
        (['--severity', '2'], 'needs --corruption'),
        (['--corruption', 'fog', '--report', 'x.html'], 'leave --corruption out'),
        (['--domain', 'day'], 'NAME=GLOB'),
        (['--domain', 'day=z*'], "matches 'z*' of the domain 'day'"),
        (['--domain', 'day=0*', '--domain', 'day=1*'], 'each name once'),
        (['--domain', 'day=*', '--corruption', 'fog'], 'choose by --match'),
        (['--corruption', 'fog'], "pip install 'depthforge_ros[corruptions]'"),
    ],
)
def test_wrong_requests_are_one_line(
    folder: Path,
    options: list[str],
    words: str,
    error_of: ErrorOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, 'imagecorruptions', None)
    assert words in error_of(*command(folder, *options))
