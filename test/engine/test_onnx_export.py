# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge export`: a file that onnxruntime answers as eager does, with all that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import json
from pathlib import Path
import sys

import cv2
from depthforge_ros.cli.main import main
from depthforge_ros.engine import onnx_export
from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.compiled import CompiledEngine
from depthforge_ros.engine.onnx_export import export_onnx, onnx_run
from depthforge_ros.engine.torch_engine import load, Run
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.model.config import Eva02Config
from depthforge_ros.model.presets import PRESETS
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.resources import share_directory
import numpy as np
import numpy.typing as npt
import pytest
from support.networks import MINI, mini_checkpoint, SHORT, variant, WITH_DEPTH
from support.refusals import ErrorOf
import torch
from torch import Tensor

onnx = pytest.importorskip('onnx', reason='the extra onnx is not installed')
onnxruntime = pytest.importorskip('onnxruntime', reason='the extra onnx is not installed')

SIZE = 112, 112
"""Whole patches of 14 and of 16 pixels."""
METRIC = dataclasses.replace(MINI.dpt, max_depth_m=80.0)
TWO_STREAMS = variant(
    dpt=METRIC, visual=Eva02Config(width=48, depth=4, heads=4), head=WITH_DEPTH.head
)


def test_two_streams_and_queries_answer_as_eager_for_every_batch(tmp_path: Path) -> None:
    mini_checkpoint(tmp_path / 'mini.safetensors', TWO_STREAMS)
    loaded = load(str(tmp_path / 'mini.safetensors'), device='cpu')
    path = tmp_path / 'new' / 'mini.onnx'
    export_onnx(loaded, Request(*SIZE, 1, 3), path)
    assert [one.name for one in path.parent.iterdir()] == ['mini.onnx']
    run = onnx_run(path)
    for count in (1, 2, 3):
        images = torch.randint(0, 256, (count, *SIZE, 3), dtype=torch.uint8)
        for ours, expected in zip(run(images), loaded.answering(images), strict=True):
            torch.testing.assert_close(ours, expected, atol=1e-3, rtol=1e-3)


@pytest.fixture(scope='module')
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export the bundled model, of one encoder and a dense head, by the command."""
    path = tmp_path_factory.mktemp('onnx') / 'tiny.onnx'
    words = ['--model', 'depthforge_tiny', '--height', '128', '--width', '192', '--batch', '1-2']
    figures = path.with_suffix('.json')
    assert main(['export', *words, '--output', str(path), '--json', str(figures)]) == 0
    assert json.loads(figures.read_text())['mask_agreement'] >= 0.999
    return path


def test_a_user_needs_nothing_but_the_file(bundled: Path) -> None:
    session = onnxruntime.InferenceSession(str(bundled), providers=['CPUExecutionProvider'])
    tells = session.get_modelmeta().custom_metadata_map
    rgb = rgb_from_file(share_directory() / 'drive/images/000010.jpg')
    height, width = int(tells['height']), int(tells['width'])
    image, content = fitted(rgb, height, width)
    (name,) = (one.name for one in session.get_inputs())
    assert tells['input'].startswith(f'{name}: uint8 (batch, height, width, 3), RGB')
    labels = session.run(['labels'], {name: image[None]})[0][0][: content[0], : content[1]]
    mask = cv2.resize(labels.astype(np.uint8), rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    loaded = load('depthforge_tiny', device='cpu')
    request = Request(height, width)
    ours, _ = Pipeline(CompiledEngine('eager', loaded, loaded.answering, request))(rgb)
    assert (mask == ours.labels).mean() > 0.999
    classes = json.loads(tells['classes'])
    assert classes == list(loaded.label_space.classes)
    assert json.loads(tells['colors'])[classes.index('road')] == [128, 64, 128]
    assert json.loads(tells['batch']) == [1, 2]
    assert tells['weights'] == loaded.fingerprint
    assert tells['output.inverse_depth'].startswith('relative inverse depth >= 0, larger is')
    assert {f'output.{one.name}' for one in session.get_outputs()} <= {*tells}


def fitted(
    rgb: npt.NDArray[np.uint8], height: int, width: int
) -> tuple[npt.NDArray[np.uint8], tuple[int, int]]:
    """Do what the metadata's `preprocessing` says, without this package."""
    rows, columns = rgb.shape[:2]
    scale = min(height / rows, width / columns)
    content = round(rows * scale), round(columns * scale)
    image, halved = rgb, False
    while (
        image.shape[0] % 2 == image.shape[1] % 2 == 0
        and image.shape[0] // 2 >= content[0]
        and image.shape[1] // 2 >= content[1]
    ):
        size = image.shape[1] // 2, image.shape[0] // 2
        image, halved = cv2.resize(image, size, interpolation=cv2.INTER_AREA), True
    by = cv2.INTER_LINEAR if halved else cv2.INTER_AREA
    image = cv2.resize(image, content[::-1], interpolation=by)
    below, right = height - content[0], width - content[1]
    padded = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8), content


def test_the_file_is_sound_and_its_batch_has_a_name(bundled: Path) -> None:
    onnx.checker.check_model(str(bundled), full_check=True)
    model = onnx.load(str(bundled))
    assert {one.domain for one in model.opset_import} <= {'', 'ai.onnx'}
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == 'batch'


def test_random_weights_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PRESETS, 'depthforge_base', SHORT)  # type: ignore[arg-type]
    monkeypatch.setenv('DEPTHFORGE_WEIGHTS', str(tmp_path))
    output = tmp_path / 'base.onnx'
    words = ['--model', 'depthforge_base', '--height', '56', '--width', '112']
    assert main(['export', *words, '--output', str(output)]) == 0
    assert 'depthforge_base gets random weights' in capsys.readouterr().err
    tells = {one.key: one.value for one in onnx.load(str(output)).metadata_props}
    assert tells['weights'] == 'random'


@pytest.mark.parametrize(
    ('changes', 'word'),
    [
        ({'--height': '57'}, 'must be multiples of the patch, 14; the nearest is 56'),
        ({'--width': '0'}, 'height x width 56 x 0 must be multiples of the patch, 14'),
        ({'--height': '-56'}, 'height x width -56 x 98 must be multiples of the patch, 14'),
        ({'--height': '98000000'}, 'an input of 98000000 x 98 pixels is too large'),
        ({'--batch': '6-1'}, 'give one such as 1 or 1-6'),
        ({'--output': 'F.pb'}, 'has not the suffix .onnx'),
        ({'--output': '/proc/none/a.onnx'}, 'cannot be written'),
        ({'--model': 'depthforge_huge'}, 'is not known'),
    ],
)
def test_wrong_requests_are_refused_in_one_line(
    changes: Mapping[str, str], word: str, tmp_path: Path, error_of: ErrorOf
) -> None:
    mini_checkpoint(tmp_path / 'mini.safetensors')
    options = {'--model': str(tmp_path / 'mini.safetensors'), '--height': '56', '--width': '98'}
    options |= {'--output': str(tmp_path / 'a.onnx'), **changes}
    assert word in error_of('export', *(one for pair in options.items() for one in pair))
    assert not list(tmp_path.glob('*.onnx'))


def test_a_folder_is_refused_before_the_work(tmp_path: Path, error_of: ErrorOf) -> None:
    model, output = tmp_path / 'mini.safetensors', tmp_path / 'a.onnx'
    mini_checkpoint(model)
    output.mkdir()
    size = ('--height', '56', '--width', '98')
    error = error_of('export', '--model', model, *size, '--output', output)
    assert 'a.onnx is a folder' in error


def test_a_file_that_does_not_answer_as_eager_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(path: Path) -> Run:
        run = onnx_run(path)

        def wrong(images: Tensor) -> Sequence[Tensor]:
            labels, *others = run(images)
            return [labels + 1, *others]

        return wrong

    monkeypatch.setattr(onnx_export, 'onnx_run', off)
    mini_checkpoint(tmp_path / 'mini.safetensors', SHORT)
    path = tmp_path / 'a.onnx'
    path.write_bytes(b'what was there')
    with pytest.raises(UserError, match=r'a\.onnx is not written: .* of the pixels agree'):
        export_onnx(load(str(tmp_path / 'mini.safetensors'), device='cpu'), Request(56, 98), path)
    assert path.read_bytes() == b'what was there'
    assert len(list(tmp_path.iterdir())) == 2


def test_without_the_extra_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'onnxscript', None)
    loaded = load('depthforge_tiny', device='cpu')
    with pytest.raises(UserError, match=r"needs onnxscript.*'depthforge_ros\[onnx\]'"):
        export_onnx(loaded, Request(64, 128), tmp_path / 'a.onnx')
