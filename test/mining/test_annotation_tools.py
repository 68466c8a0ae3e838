# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What the libraries of CVAT and of Label Studio read of mined frames.

datumaro is what CVAT imports Segmentation mask 1.1 with; label-studio-sdk is Label Studio's own
check of predictions and its converter. `make annotation-tools` runs these tests. `make test` skips
them: the libraries' OpenCV would lie over ours.
"""

from __future__ import annotations

from contextlib import ExitStack
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
import zipfile

from depthforge_ros.bags.image_files import write_image
from depthforge_ros.evaluation.sources import open_source
from depthforge_ros.labels import CAMVID
from depthforge_ros.mining.selection import Chosen, Seen, SIGNALS
from depthforge_ros.mining.writing import write_mined
import numpy as np
import pytest

LABELS = np.random.default_rng(0).integers(0, len(CAMVID), (60, 80), np.uint8)
LABELS[:30] = 3


class Classes:
    """A pipeline that answers LABELS to every frame."""

    engine = SimpleNamespace(label_space=CAMVID, model='some')

    def __call__(self, rgb: np.ndarray) -> tuple[Any, None]:
        return SimpleNamespace(labels=LABELS), None


@pytest.fixture
def mined(tmp_path: Path) -> Path:
    """Write two frames as `mine` does."""
    for name in ('a', 'b'):
        write_image(tmp_path / f'drive/{name}.png', np.zeros((*LABELS.shape, 3), np.uint8))
    signals = np.zeros(len(SIGNALS))
    chosen = [
        Chosen(Seen(name, 0, index, np.zeros(2, np.float32), np.zeros(11), {}), index + 1, 0.5,
               signals)
        for index, name in enumerate(('a', 'b'))
    ]  # fmt: skip
    with ExitStack() as copies:
        sources = [open_source(tmp_path / 'drive', copies, None)]
        write_mined(tmp_path / 'mined', Classes(), sources, chosen)  # type: ignore[arg-type]
    return tmp_path / 'mined'


def test_cvat_s_library_reads_the_masks(mined: Path, tmp_path: Path) -> None:
    pytest.importorskip('datumaro', reason='`make annotation-tools` installs and runs it')
    from datumaro.components.annotation import AnnotationType
    from datumaro.components.dataset import Dataset

    with zipfile.ZipFile(mined / 'cvat_masks.zip') as masks:
        masks.extractall(tmp_path / 'unpacked')
    read = Dataset.import_from(str(tmp_path / 'unpacked'), 'voc_segmentation')
    names = [one.name for one in read.categories()[AnnotationType.label]]
    assert names == ['background', *CAMVID.classes]
    assert sorted(item.id for item in read) == ['0001_a', '0002_b']
    for item in read:
        found = np.full(LABELS.shape, 255, np.uint8)
        for one in item.annotations:
            found[one.image.astype(bool)] = CAMVID.classes.index(names[one.label])
        np.testing.assert_array_equal(found, LABELS)


def test_label_studio_takes_interface_and_predictions(mined: Path) -> None:
    pytest.importorskip('label_studio_sdk', reason='`make annotation-tools` installs and runs it')
    from label_studio_sdk.converter.brush import decode_from_annotation
    from label_studio_sdk.label_interface import LabelInterface

    interface = LabelInterface((mined / 'label_studio.xml').read_text())
    interface.validate()
    for task in json.loads((mined / 'label_studio.json').read_text()):
        (prediction,) = task['predictions']
        assert interface.validate_prediction(prediction, return_errors=True) == []
        results = [{**one, **one['value']} for one in prediction['result']]
        found = np.full(LABELS.shape, 255, np.uint8)
        for name, mask in decode_from_annotation('label', results).items():
            found[mask > 0] = CAMVID.classes.index(name.split('-')[1])
        np.testing.assert_array_equal(found, LABELS)
