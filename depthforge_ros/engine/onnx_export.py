# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The network as an ONNX file for other runtimes, proven with onnxruntime before it is kept.

The file's metadata say all that its user needs: how a camera image becomes the input, what the
outputs mean, and the classes. The extra `depthforge_ros[onnx]` has what this takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
import importlib
import json
import logging
from pathlib import Path
import tempfile
from typing import Any
import warnings

from depthforge_ros.engine.agreement import Agreement, Limits
from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.build import exported
from depthforge_ros.engine.proof import answered_alone, preprocess_for, prove, proving_frames
from depthforge_ros.engine.torch_engine import Loaded, Run
from depthforge_ros.errors import one_line, UserError
from depthforge_ros.files import require_utf_8
from depthforge_ros.labels import unlabelled
from depthforge_ros.model.registry import MODELS
import torch
from torch import Tensor

NEAR = Limits(0.999, 0.001, 0.001, 0.001)
"""Both run in fp32."""
SUFFIX = '.onnx'
INPUT = 'image'
OUTPUTS = {
    'labels': 'train id of each pixel, int32 (batch, height, width)',
    'confidence': 'share of that class in [0, 1], float32 (batch, height, width)',
    'entropy': 'entropy of the class shares in nats over ln(classes), [0, 1], float32 (batch, '
    'height, width)',
    'inverse_depth': '{depth}, float32 (batch, height, width)',
    'features': 'mean, then deviation, over the cells of the last visual map, float32 (batch, '
    'channels)',
}
"""What they mean, in the order of `Answer`."""
PREPROCESSING = (
    'scale = min(height / rows, width / columns) of the camera image; resize it to '
    'round(rows * scale) x round(columns * scale) pixels: by means of 2 x 2 pixels while both '
    'sides are even and stay as large, the rest bilinearly, and by means of areas if there was '
    'nothing to halve; put it at the upper left; fill the rest with its last row and column; '
    'colours in RGB order, values as they are: the graph normalises them'
)


def export_onnx(
    loaded: Loaded,
    request: Request,
    path: Path,
    *,
    report: Callable[[str], None] = lambda line: None,
) -> Agreement:
    """
    Write the network, in fp32, as an ONNX file that onnxruntime answers as eager does.

    Weights above 2 GB go into a second file beside it, PATH.data. Raises UserError, and leaves
    what was there before, if the file does not answer so.
    """
    preprocess_for(loaded, request)
    if path.suffix != SUFFIX:
        raise UserError(f'--output {path} has not the suffix {SUFFIX}; name a file such as a.onnx')
    if path.is_dir():
        raise UserError(f'--output {path} is a folder; name a file such as a.onnx')
    require_utf_8(path, 'onnxruntime')
    for module in ('onnx', 'onnxscript', 'onnxruntime'):
        _import(module)
    with _folder_beside(path) as folder:
        frames = proving_frames(loaded, request)
        reference = answered_alone(loaded.answering, frames, loaded)
        report('exporting')
        partial = folder / path.name
        _program(loaded, request).save(partial)
        report('running it with onnxruntime and comparing with eager')
        agreement = prove(onnx_run(partial), loaded, request, reference, NEAR)
        if not agreement.is_near:
            raise UserError(f'{path} is not written: {agreement}')
        for file in folder.iterdir():
            file.replace(path.with_name(file.name))
    return agreement


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """Give a folder for what is not proven yet, on the same disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix='exporting-', dir=path.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise UserError(
            f'{path} cannot be written ({one_line(error)}); choose another place'
        ) from error


def onnx_run(path: Path) -> Run:
    """Open a file that `export_onnx` wrote, on the CPU, for as many threads as PyTorch has."""
    runtime = _import('onnxruntime')
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])

    def run(images: Tensor) -> Sequence[Tensor]:
        return [torch.from_numpy(one) for one in session.run(None, {INPUT: images.numpy()})]

    return run


def _program(loaded: Loaded, request: Request) -> Any:
    """Export the network with named axes and metadata: an `ONNXProgram`."""
    program = exported(loaded, request, lower=False)
    with _quiet():
        onnx = torch.onnx.export(
            program,
            (),
            dynamo=True,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            verbose=False,
        )
    assert onnx is not None
    if request.max_batch > request.min_batch:
        for value in (*onnx.model.graph.inputs, *onnx.model.graph.outputs):
            assert value.shape is not None
            value.shape[0] = 'batch'
    onnx.model.metadata_props.update(metadata(loaded, request))
    return onnx


def metadata(loaded: Loaded, request: Request) -> dict[str, str]:
    """Tell all that a user of the file needs; lists and numbers are JSON."""
    space = loaded.label_space
    depth = 'inverse depth >= 0 in 1/m' if loaded.is_metric else 'relative inverse depth >= 0'
    entry = MODELS.get(loaded.model)
    return {
        'model': Path(loaded.model).stem,
        'weights': loaded.fingerprint,
        'licence': entry.terms if entry else 'that of the checkpoint',
        'classes': json.dumps(list(space.classes)),
        'colors': json.dumps([list(color) for color in space.colors]),
        'label_space': space.name,
        'unlabelled': str(unlabelled(space.dtype)),
        'height': str(request.height),
        'width': str(request.width),
        'batch': json.dumps([request.min_batch, request.max_batch]),
        'patch': str(loaded.preprocess.patch),
        'input': f'{INPUT}: uint8 (batch, height, width, 3), RGB in [0, 255]',
        'preprocessing': PREPROCESSING,
        **{
            f'output.{name}': text.format(depth=f'{depth}, larger is nearer')
            for name, text in OUTPUTS.items()
        },
    }


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f'an ONNX file needs {name}, which is not installed; pip install '
            "'depthforge_ros[onnx]'"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks about other libraries to itself."""
    logger = logging.getLogger('torch.onnx')
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', FutureWarning)
            yield
    finally:
        logger.setLevel(before)
