# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: what is saved comes back, and anything else is refused by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path
import pickle

from depthforge_ros.engine import load_engine
from depthforge_ros.errors import UserError
from depthforge_ros.labels import CAMVID
from depthforge_ros.model.checkpoint import (
    digest,
    FORMAT,
    load_network,
    read_checkpoint,
    read_foundation,
    save_checkpoint,
)
from depthforge_ros.model.config import Eva02Config
from depthforge_ros.model.parts import PART_FORMAT, read_safetensors, write_part
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from support.networks import MINI, mini_checkpoint, mini_network, variant
from support.refusals import refused
import torch


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework='pt') as file:
        return dict(file.metadata())


class OnDevice(torch.Tensor):
    """Stands in for a tensor on a GPU, which numpy cannot read."""

    def cpu(self) -> torch.Tensor:  # type: ignore[override]
        return self.as_subclass(torch.Tensor)

    def numpy(self, **_: object) -> np.ndarray:  # type: ignore[override]
        raise TypeError('not on the CPU')


def test_digest_does_not_depend_on_the_device() -> None:
    value = torch.randn(3, 4)
    assert digest({'a': value.as_subclass(OnDevice)}) == digest({'a': value})


def test_a_saved_network_comes_back(tmp_path: Path) -> None:
    path = tmp_path / 'a.safetensors'
    network = mini_checkpoint(path)
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()
    loaded, checkpoint = load_network(path)
    assert checkpoint.label_space == CAMVID
    assert checkpoint.config == network.config
    assert checkpoint.provenance == {'data': 'none'}
    image = torch.randint(0, 256, (1, 56, 70, 3), dtype=torch.uint8)
    with torch.inference_mode():
        for ours, theirs in zip(loaded(image), network(image), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_missing_unknown_and_misshapen_tensors_are_listed(tmp_path: Path) -> None:
    path = tmp_path / 'a.safetensors'
    mini_checkpoint(path)
    tensors = load_file(path)
    tensors['head.invented.weight'] = torch.zeros(1)
    del tensors['tokens.scale']
    tensors['tokens.a'] = torch.zeros(1, 2, 3)
    save_file(tensors, path, metadata(path))
    with refused('missing tokens.scale', 'unknown head.invented.weight', 'tokens.a (1, 2, 3)'):
        load_network(path)


@pytest.mark.parametrize('said', ['{', '{}', '[]', 'null', '{"config": 3}'])
def test_a_broken_description_is_one_line(tmp_path: Path, said: str) -> None:
    path = tmp_path / 'a.safetensors'
    mini_checkpoint(path)
    save_file(load_file(path), path, {'format': FORMAT, 'depthforge': said})
    with refused('does not describe its network'):
        load_network(path)


def test_absent_foreign_and_pickled_files_are_refused(tmp_path: Path) -> None:
    with refused('does not exist'):
        load_network(tmp_path / 'none.safetensors')
    pickled = tmp_path / 'p.safetensors'
    pickled.write_bytes(pickle.dumps({'a': 1}))
    with refused('not a safetensors file', 'pickle'):
        load_network(pickled)
    foreign = tmp_path / 'f.safetensors'
    save_file({'x': torch.zeros(1)}, foreign)
    with refused('not a DepthForge checkpoint', FORMAT):
        load_network(foreign)
    path = tmp_path / 'cut.safetensors'
    mini_checkpoint(path)
    path.write_bytes(path.read_bytes()[:5000])
    with refused('not a safetensors file'):
        load_network(path)


def upstream_weights(network: torch.nn.Module, path: Path) -> None:
    """Write the frozen parts under the official names."""
    state = {}
    for name, value in network.state_dict().items():
        if name.startswith('depth_encoder.'):
            state['pretrained.' + name.removeprefix('depth_encoder.')] = value.contiguous()
        if name.startswith('depth_head.'):
            state[name] = value.contiguous()
    save_file(state, path)


def test_left_out_frozen_weights_are_taken_from_the_foundation(tmp_path: Path) -> None:
    path, weights = tmp_path / 'a.safetensors', tmp_path / 'w.safetensors'
    shared = mini_network(variant(shared_encoder=True))
    save_checkpoint(path, shared, label_space=CAMVID, provenance={}, foundation='dav2')
    assert not any(name.startswith(('depth_', 'visual_')) for name in load_file(path))
    with refused('dav2'):
        load_network(path)
    upstream_weights(shared, weights)
    loaded, checkpoint = load_network(path, weights)
    assert checkpoint.foundation == 'dav2'
    assert digest(loaded.depth_encoder.state_dict()) == checkpoint.frozen_digest
    # Other frozen weights of the same shape are noticed.
    changed = load_file(weights)
    changed['pretrained.cls_token'] += 1.0
    save_file(changed, weights)
    with refused('not the one'):
        load_network(path, weights)


def part_file(network: torch.nn.Module, path: Path, *parts: str) -> Path:
    """Write parts of a network as foundation weights."""
    tensors = {
        name.replace(f'{parts[0]}.', 'encoder.'): value
        for name, value in network.state_dict().items()
        if name.startswith(parts)
    }
    write_part(path, tensors, layout='test')
    return path


EVA02 = Eva02Config(width=48, depth=4, heads=4, position_grid=5)


@pytest.mark.parametrize('visual', [None, EVA02])
def test_two_foundations_are_each_checked(tmp_path: Path, visual: Eva02Config | None) -> None:
    path = tmp_path / 'a.safetensors'
    network = mini_network(variant(visual=visual))
    save_checkpoint(
        path, network, label_space=CAMVID, provenance={}, foundation='d', visual_foundation='v'
    )
    assert not any(name.startswith(('depth_', 'visual_')) for name in load_file(path))
    depth = part_file(network, tmp_path / 'd.safetensors', 'depth_encoder', 'depth_head')
    seeing = part_file(network, tmp_path / 'v.safetensors', 'visual_encoder')
    loaded, checkpoint = load_network(path, depth, seeing)
    assert (checkpoint.foundation, checkpoint.visual_foundation) == ('d', 'v')
    for name, value in loaded.state_dict().items():
        frozen = name.startswith(('depth_', 'visual_'))
        expected = network.state_dict()[name]
        assert torch.equal(value, expected if frozen else expected.half().float())
    with refused('leaves out its frozen weights v'):
        load_network(path, depth)
    changed = load_file(seeing)
    changed['encoder.cls_token'] += 1.0
    save_file(changed, seeing, {'format': PART_FORMAT})
    with pytest.raises(UserError, match=r'not the one .* genuine v'):
        load_network(path, depth, seeing)


@pytest.mark.parametrize(
    ('other', 'words'),
    [
        ({'width': 96}, ['width 96', 'width 48']),
        ({'depth': 5}, ['depth 5', 'depth 4']),
        ({'patch': 16}, ['patch 16', 'patch 14']),
        ({'registers': 2}, ['2 registers', '0 registers']),
    ],
)
def test_a_foundation_of_other_sizes_names_both(
    tmp_path: Path, other: dict[str, int], words: list[str]
) -> None:
    path = tmp_path / 'a.safetensors'
    mini_checkpoint(path, foundation='d')
    sizes = dataclasses.replace(MINI.encoder, **other)
    network = mini_network(variant(encoder=sizes))
    depth = part_file(network, tmp_path / 'd.safetensors', 'depth_encoder', 'depth_head')
    with refused(*words, 'genuine d'):
        load_network(path, depth)


def test_patches_of_another_size_are_kept_with_the_rest(tmp_path: Path) -> None:
    path = tmp_path / 'a.safetensors'
    native = mini_network()
    depth = part_file(native, tmp_path / 'd.safetensors', 'depth_encoder', 'depth_head')
    seeing = part_file(native, tmp_path / 'v.safetensors', 'visual_encoder')
    network = mini_network(variant(encoder=dataclasses.replace(MINI.encoder, patch=16)))
    state = {k: v for k, v in native.state_dict().items() if 'patch_embed.proj.weight' not in k}
    network.load_state_dict(state, strict=False)
    save_checkpoint(
        path, network, label_space=CAMVID, provenance={}, foundation='d', visual_foundation='v'
    )
    loaded, _ = load_network(path, depth, seeing)
    for encoder in ('depth_encoder', 'visual_encoder'):
        kernel = f'{encoder}.patch_embed.proj.weight'
        expected = network.state_dict()[kernel].half().float()
        assert torch.equal(loaded.state_dict()[kernel], expected)


def test_digest_is_the_same_for_full_and_half_precision() -> None:
    tensors = {'a': torch.randn(5, 3)}
    assert digest(tensors) == digest({'a': tensors['a'].half()})
    assert digest({'a': torch.tensor([0.0])}) == digest({'a': torch.tensor([-0.0])})
    assert digest(tensors) != digest({'b': tensors['a']})


def test_foreign_foundation_is_refused(tmp_path: Path) -> None:
    save_file({'backbone.x': torch.zeros(1)}, tmp_path / 'x.safetensors')
    with pytest.raises(UserError, match=r'backbone\.x'):
        read_foundation(tmp_path / 'x.safetensors')


def test_engine_runs_a_checkpoint_by_path(tmp_path: Path) -> None:
    path = tmp_path / 'a.safetensors'
    mini_checkpoint(path)
    engine = load_engine(str(path), device='cpu')
    image, _ = engine.preprocess(np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8))
    output = engine(image[None])
    assert output.labels.dtype == np.uint8
    assert output.labels.max() < len(CAMVID)
    assert output.labels.shape == (1, *image.shape[:2])
    for plane in (output.confidence, output.entropy):
        assert plane.dtype == np.float32
        assert 0.0 <= plane.min() <= plane.max() <= 1.0
    assert engine.fingerprint == load_engine(str(path), device='cpu').fingerprint
    assert read_checkpoint(path)[0].config.short_side == engine.preprocess.short_side


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        ({'model': 'depthforge_huge'}, ['depthforge_huge', 'depthforge_tiny', 'depthforge_small']),
        ({'model': 'depthforge_tiny', 'engine': 'warp'}, ['warp', 'eager', 'null']),
        ({'model': 'none.safetensors'}, ['none.safetensors', 'does not exist']),
    ],
)
def test_unknown_models_and_engines_are_refused(
    arguments: dict[str, str], words: list[str]
) -> None:
    with refused(*words):
        load_engine(**arguments)


TYPES = (
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
)


def test_tensors_of_all_types_and_shapes_are_read(tmp_path: Path) -> None:
    source = torch.arange(6.0).reshape(2, 3) - 2.0
    tensors = {
        f'{kind} {name}': value.to(kind, copy=True)
        for kind in TYPES
        for name, value in {'2': source, '0': source[0, 0], 'none': source[:, :0]}.items()
    }
    save_file(tensors, tmp_path / 'all.safetensors')
    read = read_safetensors(tmp_path / 'all.safetensors')[1]
    assert set(read) == set(tensors)
    for name, value in tensors.items():
        assert (read[name].dtype, read[name].shape) == (value.dtype, value.shape)
        assert torch.equal(read[name].double(), value.double())
