# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Data sets whose file names are no text, and files that Pillow refuses for their size."""

from __future__ import annotations

import os
from pathlib import Path

from depthforge_ros.bags.image_files import write_image
from depthforge_ros.labels import CAMVID_32
from depthforge_trainer.check import check
from depthforge_trainer.cli import main
from depthforge_trainer.data import loaders, Source
import numpy as np
from PIL import Image
import pytest

STEM = os.fsdecode(b'a\xff')
IMAGE = np.full((10, 12, 3), 90, np.uint8)
LAYOUTS = {
    'camvid': ('images/{}.jpg', 'labels/{}.png', IMAGE[..., 0] // 30),
    'camvid_32': (
        '701_StillsRaw_full/{}.png',
        'LabeledApproved_full/{}_L.png',
        np.full_like(IMAGE, CAMVID_32.colors[3][::-1]),
    ),
}


@pytest.mark.parametrize('name', LAYOUTS)
def test_names_that_are_no_text_are_read_and_printed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, label, values = LAYOUTS[name]
    labels = tmp_path / label.format(STEM)
    write_image(tmp_path / image.format(STEM), IMAGE)
    write_image(labels, values)
    write_image(tmp_path / 'depth' / f'{STEM}.png', np.full((5, 6), 13107, np.uint16))
    command = ['check', name, '--root', str(tmp_path)]
    assert main(command) == 0
    (load,) = loaders(Source(name, str(tmp_path), depth=str(tmp_path / 'depth')))
    sample = load()
    assert sample.inverse_depth is not None
    assert (sample.rgb.max(), sample.labels.max(), sample.inverse_depth.max()) == (
        90, 3, pytest.approx(0.2))  # fmt: skip
    labels.write_bytes(b'no image')
    assert main(command) == 2
    assert 'a\\udcff' in capsys.readouterr().out


def test_an_image_that_pillow_takes_for_a_bomb_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / 'images' / 'a.png', IMAGE)
    write_image(tmp_path / 'labels' / 'a.png', IMAGE[..., 0] // 30)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 50)
    (fault,) = check('camvid', tmp_path).faults
    assert 'a.png is cut short or broken (DecompressionBombError' in fault
