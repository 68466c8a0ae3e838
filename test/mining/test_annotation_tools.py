# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What the libraries of CVAT and of Label Studio read of mined frames.

datumaro is what CVAT imports and exports Segmentation mask 1.1 with; cvat-sdk is made of the
definitions of CVAT's server; label-studio-sdk is Label Studio's own check of predictions and its
converter. `make annotation-tools` runs these tests. `make test` skips
them: the libraries' OpenCV would lie over ours.
"""

from __future__ import annotations

from contextlib import ExitStack
import json
from pathlib import Path
import shutil
from types import SimpleNamespace
from typing import Any
import zipfile

from depthforge_ros.bags.image_files import write_image
from depthforge_ros.datasets.known import DATASETS
from depthforge_ros.evaluation.sources import open_source
from depthforge_ros.labels import CAMVID
from depthforge_ros.mining.selection import Chosen, Seen, SIGNALS
from depthforge_ros.mining.writing import write_mined
import numpy as np
import pytest

REASON = '`make annotation-tools` installs and runs it'
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


@pytest.fixture
def imported(mined: Path, tmp_path: Path) -> Any:
    """Import the masks as CVAT does."""
    pytest.importorskip('datumaro', reason=REASON)
    from datumaro.components.dataset import Dataset

    with zipfile.ZipFile(mined / 'cvat_masks.zip') as masks:
        masks.extractall(tmp_path / 'unpacked')
    return Dataset.import_from(str(tmp_path / 'unpacked'), 'voc_segmentation')


def test_cvat_s_library_reads_the_masks(imported: Any) -> None:
    from datumaro.components.annotation import AnnotationType

    read = imported
    names = [one.name for one in read.categories()[AnnotationType.label]]
    assert names == ['background', *CAMVID.classes]
    assert sorted(item.id for item in read) == ['0001_a', '0002_b']
    for item in read:
        found = np.full(LABELS.shape, 255, np.uint8)
        for one in item.annotations:
            found[one.image.astype(bool)] = CAMVID.classes.index(names[one.label])
        np.testing.assert_array_equal(found, LABELS)


def test_what_cvat_exports_is_a_data_set_for_training(
    imported: Any, mined: Path, tmp_path: Path
) -> None:
    """CVAT exports by this call, see cvat/apps/dataset_manager/formats/mask.py."""
    export = {'save_media': False, 'apply_colormap': True, 'label_map': 'source'}
    imported.export(str(tmp_path / 'export'), 'voc_segmentation', **export)
    shutil.copytree(mined / 'images', tmp_path / 'export' / 'images')
    data = DATASETS['cvat_camvid']
    pairs = list(data.pairs(tmp_path / 'export', ''))
    assert [one.image.name for one in pairs] == ['0001_a.png', '0002_b.png']
    for one in pairs:
        assert one.labels is not None
        np.testing.assert_array_equal(data.read_labels(one.labels), LABELS)


def test_cvat_s_server_takes_the_labels(mined: Path) -> None:
    pytest.importorskip('cvat_sdk', reason=REASON)
    from cvat_sdk.models import LabelType, PatchedLabelRequest

    labels = json.loads((mined / 'cvat_labels.json').read_text())
    for one in labels:
        assert LabelType(one['type']).to_str() == 'mask'
        assert PatchedLabelRequest(**one).to_dict() == one
        assert set(one) <= set(PatchedLabelRequest.attribute_map)
    assert [one['name'] for one in labels] == list(CAMVID.classes)


def test_label_studio_takes_interface_and_predictions(mined: Path) -> None:
    pytest.importorskip('label_studio_sdk', reason=REASON)
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
