# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Engines that are compiled ahead of time, their cache, and how `auto` chooses."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
import shutil
import time
from typing import Any

from depthforge_ros.engine import load_engine
from depthforge_ros.engine.agreement import compare
from depthforge_ros.engine.artefact import (
    engines_directory,
    read,
    Request,
    stored,
)
from depthforge_ros.engine.build import build
from depthforge_ros.engine.compiled import CompiledEngine, open_newest
from depthforge_ros.engine.inductor import Inductor
from depthforge_ros.engine.precision import has_bf16_units
from depthforge_ros.engine.torch_engine import load, Run
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.labels import CAMVID
from depthforge_ros.model.checkpoint import save_checkpoint
from depthforge_ros.resources import share_directory
import numpy as np
import pytest
from support.engines import FRAMES, Interpreted, rewritten, SIZE
from support.networks import mini_checkpoint, SHORT
import torch


def reopen(model: str, version: str = '1', short_side: int | None = None) -> CompiledEngine:
    return open_newest(Interpreted(version), load(model, device='cpu'), short_side)


def refusal(model: str, version: str = '1', short_side: int | None = None) -> str:
    with pytest.raises(UserError) as caught:
        reopen(model, version, short_side)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_reloaded_engine_answers_as_eager(compiled: str) -> None:
    answer = reopen(compiled)(FRAMES)
    expected = load_engine(compiled, engine='eager', device='cpu')(FRAMES)
    assert (answer.labels == expected.labels).all()
    np.testing.assert_allclose(answer.inverse_depth, expected.inverse_depth, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(answer.entropy, expected.entropy, rtol=1e-4, atol=1e-5)


def test_only_the_compiled_range_is_answered(compiled: str) -> None:
    engine = reopen(compiled)
    assert engine.preprocess(np.zeros((200, 200, 3), np.uint8))[0].shape == (56, 98, 3)
    assert engine(np.repeat(FRAMES, 3, axis=0)).labels.shape == (3, 56, 98)
    for shape in ((1, 56, 112, 3), (4, 56, 98, 3)):
        with pytest.raises(UserError, match='56x98-b1-3-fp32') as caught:
            engine(np.zeros(shape, np.uint8))
        assert caught.value.reason == 'wrong_shape'


def test_an_engine_of_other_versions_is_refused_by_the_part_that_differs(compiled: str) -> None:
    text = refusal(compiled, version='2')
    assert "compiler was '1' and is '2'" in text
    assert 'torch' not in text
    assert 'depthforge compile' in text


def test_an_engine_of_other_weights_is_refused(compiled: str) -> None:
    network = mini_checkpoint(Path(compiled), SHORT)
    with torch.no_grad():
        network.head.classify.bias.add_(1.0)
    save_checkpoint(Path(compiled), network, label_space=CAMVID, provenance={'data': 'none'})
    assert 'weights was' in refusal(compiled)


@pytest.mark.parametrize('damage', ['truncated', 'foreign', 'missing'])
def test_a_program_that_is_not_the_one_written_is_refused(compiled: str, damage: str) -> None:
    (one,) = map(read, stored(compiled, 'interpreted'))
    content = one.program.read_bytes()
    one.program.unlink()
    if damage != 'missing':
        one.program.write_bytes(content[:1000] if damage == 'truncated' else b'#!/bin/sh')
    assert 'damaged' in refusal(compiled)


def test_a_description_that_is_none_is_refused(compiled: str) -> None:
    (path,) = stored(compiled, 'interpreted')
    fields = json.loads(path.read_text())
    strange = {**fields, 'request': {**fields['request'], 'height': 'abc'}}
    for text in ('', '[]', '[' * 200_000, json.dumps({'format': 'other'}), json.dumps(strange)):
        path.write_text(text)
        assert 'does not describe' in refusal(compiled)
    path.unlink()
    path.symlink_to('nowhere')
    assert 'does not describe' in refusal(compiled)
    path.unlink()
    path.mkdir()
    assert 'no regular file' in refusal(compiled)
    path.rmdir()
    os.mkfifo(path)
    assert 'no regular file' in refusal(compiled)


def test_no_engine_of_the_size_that_is_asked_for(compiled: str) -> None:
    assert reopen(compiled, short_side=56).request == SIZE
    assert 'short side 112' in refusal(compiled, short_side=112)


@pytest.mark.usefixtures('not_exported_again')
def test_a_check_that_cannot_fail_is_refused(
    compiled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(engines_directory())
    monkeypatch.setattr('depthforge_ros.engine.build.PERTURBATION', 0.0)
    with pytest.raises(UserError, match='wrong weights would pass'):
        build(Interpreted(), load(compiled, device='cpu'), SIZE)
    assert not list(engines_directory().iterdir())


def test_auto_says_what_it_chose_and_why(model: str) -> None:
    engine = load_engine(model, device='cpu')
    assert engine.name == ('bf16' if has_bf16_units(torch.device('cpu')) else 'eager')
    assert 'depthforge compile' in engine.reason


def test_an_older_engine_that_fits_is_taken_past_a_newer_that_does_not(compiled: str) -> None:
    (path,) = stored(compiled, 'interpreted')
    older = time.time() - 60.0
    os.utime(path, (older, older))
    newer = path.with_name(path.name.replace('b1-3', 'b1-4'))
    newer.write_text('[]')
    assert stored(compiled, 'interpreted') == [newer, path]
    assert reopen(compiled).request == SIZE


@pytest.mark.usefixtures('not_exported_again')
def test_an_engine_for_single_frames_goes_before_a_newer_one_for_more(compiled: str) -> None:
    more = Request(56, 98, min_batch=2, max_batch=3)
    build(Interpreted(), load(compiled, device='cpu'), more)
    assert len(stored(compiled, 'interpreted')) == 2
    assert reopen(compiled).request == SIZE
    for path in stored(compiled, 'interpreted'):
        if 'b1-3' in path.name:
            path.unlink()
    assert reopen(compiled).request == more


@pytest.fixture
def interpreted_for_auto(monkeypatch: pytest.MonkeyPatch) -> Interpreted:
    """Let `auto` look for what our compiler made."""
    compiler = Interpreted()
    compilers = {'openvino': compiler, 'inductor': Inductor()}
    monkeypatch.setattr('depthforge_ros.engine.COMPILERS', compilers)
    return compiler


def test_auto_takes_no_engine_that_cannot_stand_for_the_uncompiled(
    compiled: str, interpreted_for_auto: Interpreted
) -> None:
    (path,) = stored(compiled, 'interpreted')
    request = json.loads(path.read_text())['request']
    rewritten(path, ms=9.0, other_ms=10.0, request={**request, 'height': 28})
    other_size = load_engine(compiled, device='cpu')
    assert other_size.name != interpreted_for_auto.name
    assert 'another size' in other_size.refused
    rewritten(path, request={**request, 'min_batch': 2})
    no_frames = load_engine(compiled, device='cpu', short_side=56)
    assert 'takes 2 to 3 frames at once' in no_frames.refused


def test_auto_complains_of_no_misfit_beside_one_that_fits_and_is_slower(
    compiled: str, interpreted_for_auto: Interpreted
) -> None:
    (path,) = stored(compiled, 'interpreted')
    rewritten(path, ms=10.0, other_ms=9.0)
    newer = path.with_name(path.name.replace('b1-3', 'b1-4'))
    newer.write_text('[]')
    engine = load_engine(compiled, device='cpu', short_side=56)
    assert engine.name != interpreted_for_auto.name
    assert 'is the slower here' in engine.reason
    assert engine.refused == ''


def test_auto_takes_no_engine_for_fewer_frames_than_there_are_cameras(
    compiled: str, interpreted_for_auto: Interpreted
) -> None:
    (path,) = stored(compiled, 'interpreted')
    rewritten(path, ms=9.0, other_ms=10.0)
    for cameras, is_taken in ((3, True), (6, False)):
        engine = load_engine(compiled, device='cpu', short_side=56, cameras=cameras)
        assert (engine.name == interpreted_for_auto.name) == is_taken
    assert '--batch 1-6' in engine.refused


def test_auto_goes_on_where_a_program_does_not_load(
    compiled: str, interpreted_for_auto: Interpreted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Run:
        raise RuntimeError('cannot deserialize\nmore')

    (path,) = stored(compiled, 'interpreted')
    rewritten(path, ms=9.0, other_ms=10.0)
    monkeypatch.setattr(interpreted_for_auto, 'load', fail)
    engine = load_engine(compiled, device='cpu', short_side=56)
    assert 'does not load or run (RuntimeError: cannot deserialize' in engine.refused
    assert engine.name != interpreted_for_auto.name


def test_an_engine_of_another_configuration_is_refused(compiled: str) -> None:
    loaded = load(compiled, device='cpu')
    network = loaded.answering.network
    network.config = dataclasses.replace(network.config, short_side=70)
    with pytest.raises(UserError, match='configuration was'):
        open_newest(Interpreted(), loaded, None)


@pytest.mark.usefixtures('not_exported_again')
def test_what_was_compiled_under_an_open_umask_is_ones_own(compiled: str) -> None:
    shutil.rmtree(engines_directory())
    before = os.umask(0o002)
    try:
        build(Interpreted(), load(compiled, device='cpu'), SIZE)
    finally:
        os.umask(before)
    assert reopen(compiled).request == SIZE


@pytest.mark.usefixtures('interpreted_for_auto')
@pytest.mark.parametrize('ms', [9.0, 11.0])
def test_auto_takes_what_is_compiled_only_where_it_was_faster(compiled: str, ms: float) -> None:
    (path,) = stored(compiled, 'interpreted')
    rewritten(path, ms=ms, other_ms=10.0)
    engine = load_engine(compiled, device='cpu', short_side=56)
    assert (engine.name == 'interpreted') == (ms < 10.0)
    assert f'{ms:.0f} ms, and 10 ms without compiling' in engine.reason


@pytest.mark.skipif(not has_bf16_units(torch.device('cpu')), reason='this CPU has no bf16 units')
def test_bf16_answers_nearly_as_eager() -> None:
    frame = rgb_from_file(share_directory() / 'drive/images/000000.jpg')
    answers = []
    for name in ('eager', 'bf16'):
        engine = load_engine('depthforge_tiny', engine=name, device='cpu')
        image, _ = engine.preprocess(frame)
        answers.append(engine(image[None]))
    agreement = compare(answers[1], answers[0])
    assert agreement.is_near, agreement
    assert (answers[0].confidence != answers[1].confidence).any()


def test_a_cpu_without_bf16_units_is_told(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, 'get_capabilities', dict)
    assert load_engine(model, device='cpu').name == 'eager'
    with pytest.raises(UserError, match='without bf16 units'):
        load_engine(model, engine='bf16', device='cpu')
