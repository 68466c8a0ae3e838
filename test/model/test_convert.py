# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of other projects come over whole, and anything else is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import math
from pathlib import Path
import re

from depthforge_ros.cli.main import main
from depthforge_ros.errors import UserError
from depthforge_ros.labels import CITYSCAPES
from depthforge_ros.model.checkpoint import load_network, load_strictly, read_foundation
from depthforge_ros.model.config import Eva02Config, VitConfig
from depthforge_ros.model.eva02 import Eva02
from depthforge_ros.model.layouts.convert import (
    convert_part,
    detect,
    Layout,
    LAYOUTS,
)
from depthforge_ros.model.layouts.files import convert_file
from depthforge_ros.model.layouts.published import convert_published, stretch
from depthforge_ros.model.layouts.rules import every, rename, Rule
from depthforge_ros.model.layouts.sizes import encoder_config
from depthforge_ros.model.parts import write_part
from depthforge_ros.model.vit import VisionTransformer
import pytest
from safetensors.torch import load_file, save_file
from support import foreign
from support.foreign import filled, refuse, Shape, State, written
from support.refusals import ErrorOf
import torch
from torch.nn import functional

WIDTH, DEPTH = 32, 12
SOURCES: Mapping[str, Callable[[], dict[str, Shape]]] = {
    'DINOv2': lambda: foreign.dinov2(WIDTH, 2, registers=4),
    'EVA02 of timm': lambda: foreign.eva02(WIDTH, 2),
    'EVA02': lambda: foreign.eva02(WIDTH, 2, timm=False),
    'Depth Anything V2': lambda: foreign.depth_anything(WIDTH, 2),
    'DepthForge, as published': lambda: foreign.depthforge(WIDTH, DEPTH, whole=True),
}


def part(tensors: State, name: str) -> State:
    return {k.removeprefix(name): v for k, v in tensors.items() if k.startswith(name)}


@pytest.mark.parametrize('length', [0x1080, 0x4B50])
def test_safetensors_whose_header_length_begins_like_a_pickle(tmp_path: Path, length: int) -> None:
    path, state = written(tmp_path / 'source.safetensors', SOURCES['DINOv2']())
    whole = path.read_bytes()
    end = 8 + int.from_bytes(whole[:8], 'little')
    padded = whole[8:end].ljust(length)
    path.write_bytes(len(padded).to_bytes(8, 'little') + padded + whole[end:])
    assert convert_file(path, tmp_path / 'ours.safetensors').tensors
    assert load_file(path).keys() == state.keys()


def test_all_names_are_listed_those_of_many_blocks_as_one_pattern() -> None:
    names = ['a.0.w', 'a.1.w', 'conv2d.b', 'x0.y', *(f'b{letter}.w' for letter in 'cdefghij')]
    listed = every(names)
    assert listed.startswith('a.*.w (2), conv2d.b, x0.y, bc.w')
    assert listed.endswith('bj.w')
    assert every([]) == 'none'


@pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
@pytest.mark.parametrize('name', SOURCES)
def test_layout_is_found_and_every_tensor_comes_over(
    tmp_path: Path, name: str, suffix: str
) -> None:
    path, state = written(tmp_path / f'source{suffix}', SOURCES[name]())
    made = convert_file(path, tmp_path / 'ours.safetensors')
    assert made.layout == name
    values = sorted(float(value.double().sum()) for value in state.values() if value.numel() > 1)
    ours = load_file(tmp_path / 'ours.safetensors')
    found = {round(float(value.double().sum()), 6) for value in ours.values()}
    # What no tensor of ours equals is a constant, training's, or was cut in three.
    lost = [value for value in values if round(value, 6) not in found]
    assert len(lost) <= {'EVA02': 5, 'DepthForge, as published': 14}.get(name, 1)


def test_official_dinov2_loads_into_our_encoder(tmp_path: Path) -> None:
    path, state = written(tmp_path / 'd.pth', foreign.dinov2(WIDTH, 2, registers=4))
    convert_file(path, tmp_path / 'ours.safetensors')
    encoder = part(read_foundation(tmp_path / 'ours.safetensors'), 'encoder.')
    ours = VisionTransformer(VitConfig(WIDTH, 2, 1, position_grid=3, registers=4))
    load_strictly(ours, encoder, source=path)
    assert torch.equal(
        ours.state_dict()['blocks.1.attn.qkv.bias'], state['blocks.1.attn.qkv.bias']
    )


@pytest.mark.parametrize('timm', [True, False])
def test_eva02_loads_into_our_encoder(tmp_path: Path, timm: bool) -> None:
    path, state = written(tmp_path / 'e.pth', foreign.eva02(WIDTH, 2, timm=timm))
    convert_file(path, tmp_path / 'ours.safetensors')
    encoder = part(load_file(tmp_path / 'ours.safetensors'), 'encoder.')
    ours = Eva02(Eva02Config(WIDTH, 2, 1, position_grid=3))
    load_strictly(ours, encoder, source=path)
    gate, bias = ('fc1_g', 'q_proj.bias') if timm else ('w1', 'q_bias')
    block = 'blocks.1.'
    assert torch.equal(encoder[f'{block}attn.q_proj.bias'], state[f'{block}attn.{bias}'])
    assert torch.equal(encoder[f'{block}mlp.fc1_g.weight'], state[f'{block}mlp.{gate}.weight'])


def test_whole_depthforge_checkpoint_becomes_a_network(tmp_path: Path) -> None:
    path, state = written(tmp_path / 'p.pth', foreign.depthforge(WIDTH, DEPTH, whole=True))
    convert_file(path, tmp_path / 'ours.safetensors')
    network, checkpoint = load_network(tmp_path / 'ours.safetensors')
    config = network.config
    assert (config.encoder.patch, config.encoder.position_grid, config.taps[-1]) == (16, 3, 11)
    assert (config.tokens.attention, config.tokens.count, config.tokens.rank) == ('joint', 10, 4)
    assert (config.head.one_gate, config.head.gate_on) == (True, 'finest')
    assert (config.head.attention_heads, config.head.decoder_layers) == (4, 3)
    assert checkpoint.label_space == CITYSCAPES
    ours = network.state_dict()
    layer = 'decode_head.transformer_decoder.layers.1.'
    query, key, value = state[f'{layer}cross_attn.attn.in_proj_weight'].chunk(3)
    assert torch.equal(ours['head.layers.1.cross.query.weight'], query)
    assert torch.equal(ours['head.layers.1.cross.key.weight'], key)
    assert torch.equal(ours['head.layers.1.cross.value.weight'], value)
    assert torch.equal(ours['head.layers.1.own_norm.bias'], state[f'{layer}norms.1.bias'])
    visual, depth = (state[f'backbone.{p}blocks.3.mlp.fc1.bias'] for p in (
        '', 'depth_anything.pretrained.'))  # fmt: skip
    assert torch.equal(ours['visual_encoder.blocks.3.mlp.fc1.bias'], visual)
    assert torch.equal(ours['depth_encoder.blocks.3.mlp.fc1.bias'], depth)
    image = torch.randint(0, 256, (1, 48, 64, 3), dtype=torch.uint8)
    assert torch.isfinite(network(image).scores_BKHW).all()


def frozen(width: int, depth: int, *, eva: bool = False) -> State:
    """Foundation weights under our names."""
    shapes = foreign.eva02(width, depth) if eva else foreign.depth_anything(width, depth)
    state = filled(shapes)
    return convert_part(state, detect(state, source='x'), source=Path('x'))


def test_stripped_checkpoints_get_their_foundations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('depthforge_ros.model.layouts.published.LETTERS', {WIDTH: 'x'})
    monkeypatch.setenv('DEPTHFORGE_WEIGHTS', str(tmp_path))
    rein, _ = written(tmp_path / 'rein.pth', foreign.rein(WIDTH, DEPTH))
    refuse(rein, 'dinov2_vitx14', '`depthforge fetch dinov2_vitx14`')
    for name in ('dinov2_vitx14', 'depth_anything_v2_vitx', 'eva02'):
        write_part(
            tmp_path / f'{name}.safetensors', frozen(WIDTH, DEPTH, eva=name == 'eva02'), layout=''
        )
    output = tmp_path / 'ours.safetensors'
    convert_file(rein, output)
    config = load_network(output)[0].config
    assert (config.tokens.attention, config.head.refine, config.visual) == ('visual', False, None)
    assert (config.encoder.patch, config.encoder.position_grid) == (16, 32)
    convert_file(rein, output, visual='eva02')
    assert isinstance(load_network(output)[0].config.visual, Eva02Config)
    eva = foreign.eva02(WIDTH, DEPTH, grid=32, patch=16, timm=False)
    whole = {**foreign.rein(WIDTH, DEPTH), **foreign.prefixed('backbone.', eva)}
    path, state = written(tmp_path / 'whole.pth', whole)
    assert convert_file(path, output).layout == 'Rein on EVA02, as published'
    visual = part(load_network(output)[0].state_dict(), 'visual_encoder.')
    assert torch.equal(visual['pos_embed'], state['backbone.pos_embed'])
    ours, _ = written(tmp_path / 'df.pth', foreign.depthforge(WIDTH, DEPTH, whole=False))
    convert_file(ours, output)
    assert load_network(output)[0].config.tokens.attention == 'joint'


@pytest.mark.parametrize(
    ('width', 'depth', 'told'),
    [
        (WIDTH, 24, 'tokens.a is (12, 10, 4) instead of (24, 10, 4)'),
        (2 * WIDTH, DEPTH, 'tokens.b is (12, 4, 32) instead of (12, 4, 64)'),
    ],
)
def test_foundations_of_other_sizes_name_both(
    monkeypatch: pytest.MonkeyPatch, width: int, depth: int, told: str
) -> None:
    monkeypatch.setattr('depthforge_ros.model.layouts.published.LETTERS', {WIDTH: 'x'})
    state = filled(foreign.depthforge(WIDTH, DEPTH, whole=False))
    layout = detect(state, source='x')
    other = frozen(width, depth)
    with pytest.raises(UserError, match=re.escape(told)):
        convert_published(state, layout, source=Path('x'), read=lambda _: other)


def test_stretching_is_that_of_the_published_scripts() -> None:
    encoder = part(frozen(WIDTH, 1), 'encoder.')
    stretched = stretch(encoder)
    kernel = functional.interpolate(
        encoder['patch_embed.proj.weight'], size=(16, 16), mode='bicubic', align_corners=False
    )
    assert torch.equal(stretched['patch_embed.proj.weight'], kernel)
    assert torch.equal(stretched['pos_embed'][:, 0], encoder['pos_embed'][:, 0])
    assert encoder_config({f'e.{k}': v for k, v in stretched.items()}, 'e.').position_grid == 32


def changed(state: State, name: str, value: object) -> State:
    return {**state, name: value}  # type: ignore[dict-item]


def test_tensors_of_another_kind_or_rank_are_refuse(tmp_path: Path) -> None:
    _, state = written(tmp_path / 'whole.safetensors', SOURCES['DINOv2']())
    kernel = 'patch_embed.proj.weight'
    for path, tensors, words in (
        (tmp_path / 'rank.pth', changed(state, 'pos_embed', torch.zeros(5)),
         ['pos_embed', '(5,)', '3 dimensions']),
        (tmp_path / 'float8.pth', changed(state, kernel, state[kernel].to(torch.float8_e4m3fn)),
         [kernel, 'float8_e4m3fn', 'quantised']),
        (tmp_path / 'int8.pth', changed(state, kernel, state[kernel].to(torch.int8)),
         [kernel, 'whole numbers', 'quantised']),
        (tmp_path / 'key.pth', {**state, 1: torch.zeros(1)}, ['1 have no name', '(1)']),
    ):  # fmt: skip
        torch.save(tensors, path)
        refuse(path, *words)


@pytest.mark.parametrize('name', SOURCES)
def test_left_over_and_lacking_names_are_listed_or_allowed(tmp_path: Path, name: str) -> None:
    shapes = SOURCES[name]()
    lost = next(k for k in shapes if k.endswith('blocks.1.norm2.bias'))
    lost_here = lost.replace('pretrained.', '')
    shapes['backbone.surprise' if 'DepthForge' in name else 'surprise'] = (3,)
    del shapes[lost]
    path, _ = written(tmp_path / 'x.safetensors', shapes)
    refuse(path, 'unused', 'surprise', 'missing', lost_here.split('blocks')[1], '--allow')
    refuse(path, 'missing', 'norm2.bias', 'unused none', allow=('*surprise',))
    refuse(path, 'unused', 'surprise', 'missing none', allow=('*norm2.bias',))
    convert_file(path, tmp_path / 'out.safetensors', allow=('*surprise', '*norm2.bias'))


def test_a_projection_without_its_partners_is_left_over(tmp_path: Path) -> None:
    rules = (Rule(('q', 'k', 'v'), 'qkv'), Rule('c', None))
    tensors = {name: torch.ones(2) for name in 'qkvc'}
    whole = rename(rules, tensors)
    assert whole.tensors['qkv'].shape == (6,)
    assert whole.unused == []
    del tensors['k']
    assert rename(rules, tensors).unused == ['q', 'v']


def test_encoders_of_published_widths_have_all_blocks(tmp_path: Path) -> None:
    path, _ = written(tmp_path / 'x.safetensors', foreign.dinov2(384, 11, grid=2))
    refuse(path, 'width 384', '11 blocks instead of 12')


def test_unknown_files_are_refuse(tmp_path: Path) -> None:
    path = tmp_path / 'x.safetensors'
    refuse(path, 'does not exist')
    path.write_bytes(b'no weights at all')
    refuse(path, 'neither a safetensors file nor a PyTorch checkpoint')
    save_file({'conv.weight': torch.zeros(1)}, path)
    refuse(path, 'conv.weight', *(layout.name for layout in LAYOUTS))
    torch.save({'model': {'a': torch.zeros(1), 'b': 3}}, path)
    refuse(path, 'none of the known layouts')
    torch.save([torch.zeros(1)], path)
    refuse(path, 'holds no tensors by name')
    with pytest.raises(UserError, match=r'ends in \.safetensors'):
        convert_file(path, tmp_path / 'out.pth')


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / 'source.pth'
    torch.save({'cls_token': torch.zeros(3), 'pos_embed': torch.tensor([0.0, math.nan])}, path)
    refuse(path, 'pos_embed that are not finite')


def test_a_folder_is_refuse(tmp_path: Path) -> None:
    refuse(tmp_path, 'is a folder')


def test_truncated_files_are_refuse(tmp_path: Path) -> None:
    for suffix in ('.safetensors', '.pth'):
        path, _ = written(tmp_path / f'x{suffix}', foreign.dinov2(WIDTH, 1))
        path.write_bytes(path.read_bytes()[:20_000])
        refuse(path, 'cut short', 'get the file again')


def test_the_command_tells_what_came_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error_of: ErrorOf
) -> None:
    path, _ = written(tmp_path / 'd.pth', foreign.depth_anything(WIDTH, 2))
    output = tmp_path / 'new' / 'ours.safetensors'
    assert main(['convert', str(path), '--output', str(output)]) == 0
    told = capsys.readouterr().out
    assert 'width 32, depth 2, patch 14' in told
    assert 'and a depth head' in told
    assert output.is_file()
    assert error_of('convert', tmp_path, '--output', output)


def test_layouts_have_names_of_their_own() -> None:
    assert len({layout.name for layout in LAYOUTS}) == len(LAYOUTS)
    assert all(isinstance(layout, Layout) and layout.marks for layout in LAYOUTS)
