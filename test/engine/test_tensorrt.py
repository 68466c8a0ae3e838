# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What TensorRT is given and, where `make tensorrt-dry-run` has it, what it makes of that."""

from __future__ import annotations

import ctypes
from dataclasses import replace
import importlib
from importlib.util import find_spec
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
from typing import Any

from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.build import exported
from depthforge_ros.engine.precision import driver_level
from depthforge_ros.engine.tensorrt import watch
from depthforge_ros.engine.tensorrt.compiler import TensorRt
from depthforge_ros.engine.tensorrt.dry_run import build_unloaded, dry_run, prepare
from depthforge_ros.engine.torch_engine import load, Loaded
from depthforge_ros.errors import UserError
from depthforge_ros.model.dpt import Upscaling
import pytest
from support.commands import figures_of
from support.networks import DEPTH_FORMS, MINI, mini_checkpoint, variant
import torch
from torch import nn

with_tensorrt = pytest.mark.skipif(
    find_spec('torch_tensorrt') is None, reason='it is not here; see make tensorrt-dry-run'
)


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    """Write a network whose depth is not zero everywhere, as that of random ones may be."""
    path = tmp_path / 'mini.safetensors'
    mini_checkpoint(path, variant(dpt=replace(MINI.dpt, max_depth_m=80.0)))
    return path


def test_what_torch_tensorrt_cannot_build_is_not_in_the_program(mini: Path) -> None:
    graph = exported(load(str(mini), device='cpu'), Request(56, 98)).graph
    attentions = [node for node in graph.nodes if 'dot_product' in str(node.target)]
    # It asks a query for its width, and constant ones, of the head's first layer, have no answer.
    assert attentions
    assert all(node.kwargs.get('scale') for node in attentions)
    # Its RTX flavour builds none in bfloat16.
    assert not [node for node in graph.nodes if 'conv_transpose' in str(node.target)]


@pytest.mark.parametrize('factor', [2, 4])
@torch.inference_mode()
def test_upscaling_is_a_transposed_convolution(factor: int) -> None:
    torch.manual_seed(0)
    ours, theirs = Upscaling(6, factor), nn.ConvTranspose2d(6, 6, factor, stride=factor)
    assert {name: value.shape for name, value in ours.state_dict().items()} == {
        name: value.shape for name, value in theirs.state_dict().items()
    }
    theirs.load_state_dict(ours.state_dict())
    maps = torch.randn(2, 6, 5, 7)
    torch.testing.assert_close(ours(maps), theirs(maps))


DRIVER = """
int cuDriverGetVersion(int *version) { *version = 13020; return 0; }
"""
VERSIONS = """
import types
from depthforge_ros.engine.tensorrt import compiler
import torch
properties = types.SimpleNamespace(name='H100', major=9, minor=0, multi_processor_count=132)
torch.cuda.get_device_properties = lambda device: properties
compiler.load_torch_tensorrt = lambda: None
print(dict(compiler.TensorRt().versions(torch.device('cuda', 0))))
"""


@pytest.mark.skipif(shutil.which('gcc') is None, reason='needs a C compiler')
def test_an_engine_depends_on_the_gpu_and_on_its_driver(tmp_path: Path) -> None:
    (tmp_path / 'driver.c').write_text(DRIVER)
    library = str(tmp_path / 'libcuda.so.1')
    subprocess.run(['gcc', '-shared', '-o', library, str(tmp_path / 'driver.c')], check=True)
    environment = {**os.environ, 'LD_LIBRARY_PATH': str(tmp_path)}
    said = subprocess.run(
        [sys.executable, '-c', VERSIONS], env=environment, capture_output=True, text=True
    )
    assert "'device': 'H100 sm_90 132', 'driver': '13020'" in said.stdout, said.stderr


def test_a_driver_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    load_library = ctypes.CDLL
    monkeypatch.setattr(ctypes, 'CDLL', lambda name: load_library(f'no-{name}'))
    with pytest.raises(UserError, match='driver does not load'):
        driver_level()


@with_tensorrt
@pytest.mark.parametrize('precision', ['fp32', 'fp16', 'bf16'])
@pytest.mark.parametrize('batch', ['1', '1-3'])
def test_its_engine_is_built_and_its_network_answers_as_eager(
    precision: str, batch: str, mini: Path, tmp_path: Path
) -> None:
    command = ['compile', '--dry-run', '--engine', 'tensorrt', '--model', str(mini)]
    command += ['--height', '56', '--width', '98', '--batch', batch, '--precision', precision]
    row = figures_of(tmp_path, *command)
    assert row['converted'] == row['operators'] > 100
    assert row['engines'] == 1
    assert row['engine_bytes'] > 100_000
    # Random weights: many pixels are near a tie of two classes.
    assert row['mask_agreement'] > (0.9999 if precision == 'fp32' else 0.97)
    assert row['depth_error'] < (1e-5 if precision == 'fp32' else 0.02)
    assert row['feature_error'] < (1e-5 if precision == 'fp32' else 0.02)


@with_tensorrt
@pytest.mark.parametrize('name', DEPTH_FORMS)
def test_it_converts_all_where_the_decoder_takes_depth(name: str, tmp_path: Path) -> None:
    path = tmp_path / 'mini.safetensors'
    mini_checkpoint(path, DEPTH_FORMS[name])
    found = dry_run(load(str(path), device='cpu'), Request(112, 112, 1, 3, 'fp16'))
    assert found.coverage.converted == found.coverage.operators > 100
    assert found.coverage.engines == 1
    assert found.built is not None
    assert found.built.agreement.mask > 0.97
    assert found.built.agreement.confidence < 0.01
    assert found.built.agreement.entropy < 0.01


@with_tensorrt
def test_another_network_does_not_answer_as_eager(
    mini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shifted(loaded: Loaded, request: Request) -> Any:
        with torch.no_grad():
            loaded.answering.network.depth_head.resize_layers[1].weight.mul_(2.0)
        return exported(loaded, request)

    monkeypatch.setattr('depthforge_ros.engine.tensorrt.dry_run.exported', shifted)
    found = dry_run(load(str(mini), device='cpu'), Request(56, 98))
    assert found.built is not None
    assert found.built.agreement.mask > 0.9999
    assert found.built.agreement.depth > 1e-4  # as eager it would be below 1e-5


@with_tensorrt
def test_another_attention_is_not_taken_for_ours(
    mini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare()
    attention = importlib.import_module('torch_tensorrt.dynamo.conversion.impl.attention')
    convert = attention.scaled_dot_product_attention

    def causal(*args: Any, attn_mask: Any = None, is_causal: bool = False, **rest: Any) -> Any:
        return convert(*args, attn_mask=attn_mask, is_causal=attn_mask is None, **rest)

    monkeypatch.setattr(attention, 'scaled_dot_product_attention', causal)
    with pytest.raises(NotImplementedError, match='Attention'):
        dry_run(load(str(mini), device='cpu'), Request(56, 98))


class Bessel(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(image.float())


@with_tensorrt
def test_an_operator_that_it_lacks_is_named() -> None:
    prepare()
    image = torch.zeros(1, 56, 98, 3, dtype=torch.uint8)
    program = torch.export.export(Bessel(), (image,))
    with pytest.raises(UserError, match='special_bessel_j0'):
        build_unloaded(program, Request(56, 98))


@with_tensorrt
def test_a_signal_ends_the_build_and_is_handled(
    mini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare()
    program = exported(load(str(mini), device='cpu'), Request(56, 98))
    monitor = watch._monitor

    def struck(*args: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return monitor(*args)

    monkeypatch.setattr(watch, '_monitor', struck)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as caught:
        build_unloaded(program, Request(56, 98))
    assert 'refuses the network' in str(caught.value.__context__)
    assert signal.getsignal(signal.SIGINT) is before


@with_tensorrt
def test_a_loaded_engine_has_its_inputs_and_outputs_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare()
    module = importlib.import_module('torch_tensorrt.runtime').TorchTensorRTModule
    seen = {}

    def setup(self: Any) -> None:
        seen.update(engine=self.serialized_engine, target=self.target_device)
        seen.update(inputs=self.input_binding_names, outputs=self.output_binding_names)

    monkeypatch.setattr(module, 'setup_engine', setup)
    path = tmp_path / 'program.pt2'
    path.write_bytes(b'engine')
    run: Any = TensorRt().load(path, Request(56, 98), torch.device('cuda', 0))
    assert seen == {
        'engine': b'engine',
        'target': torch.device('cuda', 0),
        'inputs': ['image_bhw3'],
        'outputs': ['output0', 'output1', 'output2', 'output3', 'output4'],
    }
    assert run.serialized_engine is None
