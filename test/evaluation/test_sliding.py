# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Sliding windows in batches against the same windows one by one."""

from __future__ import annotations

import itertools
from pathlib import Path

from depthforge_ros.cli.main import main
from depthforge_ros.engine.torch_engine import Loaded
from depthforge_ros.evaluation.sliding import sliding_engine, SlidingWindows, starts
from depthforge_ros.labels import CAMVID
from depthforge_ros.model.answer import summarise
from depthforge_ros.model.refinement import resize
from hypothesis import given
from hypothesis import strategies as st
import pytest
from support.networks import MINI, mini_network
from support.refusals import ErrorOf
import torch

CLASSES = 11


@pytest.fixture(scope='module')
def loaded() -> Loaded:
    network = mini_network(MINI).fold()
    return Loaded.of(network, model='mini', label_space=CAMVID, fingerprint='')


@given(st.integers(1, 400), st.integers(1, 400))
def test_windows_cover_every_pixel_and_overlap_by_a_third(side: int, window: int) -> None:
    window = min(side, window)
    found = list(starts(side, window))
    assert found[0] == 0
    assert found[-1] == side - window
    steps = [after - before for before, after in itertools.pairwise(found)]
    assert all(0 < step <= max(1, round(window * 2 / 3)) + 1 for step in steps)


@pytest.mark.parametrize('batch', [1, 4, 50])
@torch.inference_mode()
def test_batches_answer_as_one_window_after_the_other(loaded: Loaded, batch: int) -> None:
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (2, 98, 140, 3), dtype=torch.uint8, generator=generator)
    answer = SlidingWindows(loaded, window=56, batch=batch)(images)
    for index, image in enumerate(images):
        total, depth, count = (torch.zeros(1, n, 98, 140) for n in (CLASSES, 1, 1))
        for y in starts(98, 56):
            for x in starts(140, 56):
                place = ..., slice(y, y + 56), slice(x, x + 56)
                decoded = loaded.answering.network.decode(image[None, y : y + 56, x : x + 56])
                total[place] += resize(decoded.scores_BKhw, (56, 56))
                depth[place] += decoded.inverse_depth_BHW[:, None]
                count[place] += 1.0
        labels, confidence, entropy = summarise(total / count, (98, 140))
        assert (answer.labels_BHW[index] == labels[0]).float().mean() > 0.9999
        torch.testing.assert_close(answer.confidence_BHW[index], confidence[0])
        torch.testing.assert_close(answer.entropy_BHW[index], entropy[0])
        torch.testing.assert_close(answer.inverse_depth_BHW[index], (depth / count)[0, 0])


@torch.inference_mode()
def test_a_window_as_large_as_the_image_is_the_whole_image(loaded: Loaded) -> None:
    images = torch.randint(0, 256, (1, 56, 84, 3), dtype=torch.uint8)
    whole, windows = loaded.answering(images), SlidingWindows(loaded, window=84, batch=1)(images)
    for name in ('labels_BHW', 'confidence_BHW', 'inverse_depth_BHW', 'features_BF'):
        torch.testing.assert_close(getattr(windows, name), getattr(whole, name))


def test_the_engine_takes_frames_as_any_other(loaded: Loaded) -> None:
    engine = sliding_engine(loaded, window=56, batch=2)
    output = engine(torch.zeros(1, 70, 98, 3, dtype=torch.uint8).numpy())
    assert output.labels.shape == (1, 70, 98)


def test_the_command_says_what_is_wrong_with_windows(
    folder: Path, capsys: pytest.CaptureFixture[str], error_of: ErrorOf
) -> None:
    base = ['evaluate', 'images', '--dataset', 'folder', '--labels', 'camvid']
    base += ['--root', str(folder), '--window']
    for size in ('50', '0'):
        assert f'--window {size}' in error_of(*base, size)
    assert "'int8'" in error_of(*base, '64', '--engine', 'int8')
    assert main([*base, '64', '--limit', '1']) == 0
    assert 'miou' in capsys.readouterr().out.lower()
