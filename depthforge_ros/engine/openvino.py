# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO: the fastest way on CPUs, an optional extra (`depthforge_ros[openvino]`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
import json
from pathlib import Path
import tempfile
import zipfile

from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.precision import cpu_units
from depthforge_ros.engine.torch_engine import Run
from depthforge_ros.errors import UserError
import torch
from torch import Tensor
from torch.export import ExportedProgram

FILES = ('model.xml', 'model.bin')
PRECISION_HINTS = {'fp32': 'f32', 'bf16': 'bf16'}
OPTIONS = {
    'PERFORMANCE_HINT': 'LATENCY',
    # Fused element-wise kernels ("snippets") of 2026.4 compute the refinement gates wrongly.
    'SNIPPETS_MODE': 'DISABLE',
}


class OpenVino:
    """The compiler."""

    name = 'openvino'
    precisions = tuple(PRECISION_HINTS)
    lowers = True

    def versions(self, device: torch.device) -> Mapping[str, str]:
        """Programs are for one CPU's vector units and one version of OpenVINO."""
        if device.type != 'cpu':
            raise UserError(f'engine openvino runs on cpu, not on {device}; use tensorrt')
        try:
            version = metadata.version('openvino')
        except metadata.PackageNotFoundError as error:
            raise UserError(
                "engine openvino is not installed; pip install 'depthforge_ros[openvino]'"
            ) from error
        return {
            'device': cpu_units(),
            'openvino': version,
            'options': json.dumps(OPTIONS),
        }

    def compile(self, program: ExportedProgram, request: Request, path: Path) -> None:
        """
        Convert and write OpenVINO's two files as one.

        Not its compiled form: that forgets SNIPPETS_MODE when it is imported.
        """
        import openvino

        del request
        model = openvino.convert_model(program)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            openvino.save_model(model, f'{folder}/{FILES[0]}', compress_to_fp16=False)
            with zipfile.ZipFile(path, 'w') as archive:
                for name in FILES:
                    archive.write(f'{folder}/{name}', name)

    def load(self, path: Path, request: Request, device: torch.device) -> Run:
        """Load the files for as many threads as PyTorch has."""
        import openvino

        del device
        options = {
            **OPTIONS,
            'INFERENCE_PRECISION_HINT': PRECISION_HINTS[request.precision],
            'INFERENCE_NUM_THREADS': torch.get_num_threads(),
        }
        core = openvino.Core()
        with zipfile.ZipFile(path) as archive:
            model = core.read_model(*(archive.read(name) for name in FILES))
        compiled = core.compile_model(model, 'CPU', options)

        def run(images: Tensor) -> Sequence[Tensor]:
            answer = compiled(images.numpy())
            return [torch.from_numpy(answer[index]) for index in range(len(answer))]

        return run
