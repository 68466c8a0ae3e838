# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A run whose predictions or weights are no numbers any more: what it says, and what it keeps."""

from __future__ import annotations

from collections.abc import Iterator
import itertools
from pathlib import Path

from depthforge_ros.model.mask2former import HeadOutput
from depthforge_ros.model.network import DepthForge
from depthforge_trainer.cli import main
import pytest
from safetensors.torch import load_file
from support.refusals import ErrorOf
from support.training import configuration
import torch
import yaml

PHASE = {'train': 'all', 'iterations': 4, 'batch': 2, 'learning_rate': 1e-3}


@pytest.fixture
def one_bad_query(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Make one query's mask of the third batch no number; whether a batch was, in order."""
    done: list[bool] = []
    segment = DepthForge.segment

    def spoil(self: DepthForge, *args: object, **options: object) -> HeadOutput:
        output = segment(self, *args, **options)  # type: ignore[arg-type]
        done.append(len(done) == 2)
        for layer in output.layers:
            if done[-1]:
                layer.mask_embed_BMD[0, 5] = float('nan')
        return output

    monkeypatch.setattr(DepthForge, 'segment', spoil)
    yield done
    monkeypatch.undo()


def test_a_prediction_that_is_no_number_stops_before_the_matching(
    tmp_path: Path, error_of: ErrorOf, one_bad_query: list[bool]
) -> None:
    # Without the semantic term nothing but the matching looks at every query.
    path = configuration(tmp_path, phases=[PHASE], loss={'points': 64})
    error = error_of('fit', path)
    assert one_bad_query == [False, False, True]
    assert error.count(str(tmp_path / 'data' / 'images')) == 2
    assert 'after iteration 2 of phase 0' in error
    last = tmp_path / 'run' / 'last.safetensors'
    assert f'start_from: {last}' in error
    assert (tmp_path / 'run' / 'state.safetensors').is_file()
    # What it advises works.
    fields = yaml.safe_load(path.read_text())
    fields |= {'start_from': str(last), 'output': str(tmp_path / 'again')}
    fields['phases'][0]['learning_rate'] = 1e-4
    path.write_text(yaml.safe_dump(fields))
    assert main(['fit', str(path)]) == 0


def explode(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Make weights of a step so large that nothing after it is a number."""
    steps = itertools.count(1)

    def leap(self: torch.optim.AdamW) -> None:
        if next(steps) == step:
            for group in self.param_groups:
                for parameter in group['params']:
                    parameter.data.mul_(1e30)

    monkeypatch.setattr(torch.optim.AdamW, 'step', leap)


def test_weights_that_are_no_numbers_are_not_kept(
    tmp_path: Path, error_of: ErrorOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    explode(monkeypatch, 5)
    error = error_of('fit', configuration(tmp_path, phases=[PHASE, PHASE]))
    assert 'after iteration 1 of phase 1' in error
    assert 'start_from' in error
    saved = load_file(tmp_path / 'run' / 'last.safetensors')
    assert all(torch.isfinite(value).all() for value in saved.values())


def test_a_run_that_diverges_before_its_first_save_promises_nothing(
    tmp_path: Path, error_of: ErrorOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    explode(monkeypatch, 1)
    error = error_of('fit', configuration(tmp_path, phases=[PHASE]))
    assert 'no sound state was saved' in error
    assert not list((tmp_path / 'run').glob('*.safetensors'))
