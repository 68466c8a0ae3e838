# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Labels that a model contradicts: which regions, in which order, and by the command."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
from depthforge_ros.labels import LabelSpace
from depthforge_trainer.cli import main
from depthforge_trainer.label_errors import suspects_of
import numpy as np
import pytest
from support.networks import mini_checkpoint
from support.refusals import ErrorOf

SPACE = LabelSpace('three', ('road', 'sky', 'car'), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))


def certain(labels: np.ndarray, share: float = 0.98) -> np.ndarray:
    """Give a model's shares that say these labels."""
    shares = np.full((3, *labels.shape), (1.0 - share) / 2.0, np.float32)
    np.put_along_axis(shares, labels[None].astype(np.int64), share, 0)
    return shares


def test_a_sure_contradiction_comes_before_an_unsure_one() -> None:
    truth = np.zeros((60, 80), np.uint8)
    labels = truth.copy()
    labels[5:25, 5:25] = 2
    labels[30:50, 30:50] = 1
    labels[0, :] = 255
    shares = certain(truth)
    shares[:, 30:50, 30:50] = np.array([0.5, 0.45, 0.05])[:, None, None]
    found = suspects_of('a.png', labels, shares, SPACE)
    found.sort(key=lambda one: -one.score)
    assert [(one.label, one.model, one.pixels) for one in found] == [
        ('car', 'road', 400), ('sky', 'road', 400)]  # fmt: skip
    assert found[0].box == (5, 5, 20, 20)
    assert found[0].score == pytest.approx(-np.log(0.011) * np.log(400), abs=0.01)


def test_an_object_that_the_labels_miss_is_a_region_of_its_own() -> None:
    labels = np.zeros((60, 80), np.uint8)
    truth = labels.copy()
    truth[20:40, 20:40] = 2
    (one,) = suspects_of('a.png', labels, certain(truth), SPACE)
    assert (one.label, one.model, one.box) == ('road', 'car', (20, 20, 20, 20))
    # Specks are not ranked.
    truth[:] = 0
    truth[20:25, 20:25] = 2
    assert suspects_of('a.png', labels, certain(truth), SPACE) == []


def test_check_ranks_by_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error_of: ErrorOf
) -> None:
    mini_checkpoint(tmp_path / 'mini.safetensors')
    data = tmp_path / 'data'
    for name, pixels in (
        ('images', np.full((60, 90, 3), 90, np.uint8)),
        ('labels', np.full((60, 90), 3, np.uint8)),
    ):
        (data / name).mkdir(parents=True)
        cv2.imwrite(str(data / name / 'a.png'), pixels)
    command = ['check', 'camvid', '--root', str(data)]
    path = tmp_path / 'ranking.json'
    model = str(tmp_path / 'mini.safetensors')
    assert main([*command, '--with-model', model, '--json', str(path)]) == 0
    ranking = json.loads(path.read_text(encoding='utf-8'))
    assert all(one['label'] == 'road' for one in ranking['suspects'])
    assert 'regions that the model contradicts' in capsys.readouterr().out
    assert '--with-model' in error_of(*command, '--json', path)
    (data / 'labels' / 'a.png').write_bytes(b'no image')
    assert main([*command, '--with-model', model]) == 2
    assert 'no ranking' in capsys.readouterr().err
    # The model is asked for before the files are read.
    assert main([*command, '--with-model', 'nobody']) == 2
    assert capsys.readouterr().out == ''
