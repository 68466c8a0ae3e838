# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The study: variants over seeds, judged on domains that are never trained on."""

from __future__ import annotations

import json
from pathlib import Path
import statistics
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.model.checkpoint import read_checkpoint
from depthforge_trainer.cli import main
from depthforge_trainer.config import read_config
from depthforge_trainer.data import loaders, Source
from depthforge_trainer.networks import build_network
from depthforge_trainer.study import AVERAGE, Judged, lines, merged, study, StudyConfig
from depthforge_trainer.validation import FrozenDepth, validate
import numpy as np
import pytest
from safetensors.torch import load_file
from support.paths import ROOT
from support.refusals import ErrorOf
from support.training import street_like, study_file
import yaml

CONFIGS = ROOT / 'trainer' / 'configs'


def test_every_variant_runs_with_every_seed_and_nothing_runs_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study_file(tmp_path)
    assert main(['study', str(path)]) == 0
    folder = tmp_path / 'study'
    runs = json.loads((folder / 'study.json').read_text())['runs']
    assert [(run['variant'], run['seed']) for run in runs] == [
        ('joint', 0), ('joint', 1), ('rein', 0), ('rein', 1),
    ]  # fmt: skip
    assert all(run['miou'].keys() == {'near', 'far/a'} for run in runs)
    # The frozen features are those of all variants of a seed.
    assert {one.name for one in folder.glob('cache_*')} == {'cache_0', 'cache_1'}
    assert not list(folder.glob('*/*/cache'))
    table = (folder / 'study.md').read_text()
    monkeypatch.setattr('depthforge_trainer.study.fit', lambda *_, **__: pytest.fail('run again'))
    study(read_config(path, StudyConfig))
    assert (folder / 'study.md').read_text() == table
    assert table.startswith(f'| variant | seeds | near | far | {AVERAGE} | more than joint |')


def test_variants_with_the_same_head_start_from_the_same_weights(tmp_path: Path) -> None:
    variants = {
        'joint': None,
        'rein': {'model': {'tokens': {'attention': 'visual'}}},
        'frozen': {
            'model': {'tokens': {'scale_init': 0.0}},
            'phases': [{'train': 'head', 'iterations': 2, 'batch': 2, 'learning_rate': 2e-3}],
        },
        'plain': {'model': {'head': {'refine': False}}},
    }
    start = [{'train': 'head', 'iterations': 1, 'batch': 2, 'learning_rate': 2e-3}]
    path = study_file(tmp_path, variants=variants, seeds=[0], start=start)
    config = read_config(path, StudyConfig)
    assert {Path(config.start_run(name, 0).output).parent.name for name in variants} == {
        'frozen', 'plain',
    }  # fmt: skip
    study(config)
    begun = load_file(config.run('rein', 0).start_from)
    for name in variants:
        trained = load_file(Path(config.run(name, 0).output) / 'last.safetensors')
        assert (trained.keys() == begun.keys()) == (name != 'plain')
        assert (float(trained['tokens.scale']) == 0.0) == (name == 'frozen')
        stored = read_checkpoint(Path(config.run(name, 0).output) / 'last.safetensors')[0]
        assert stored.config == config.run(name, 0).model


def test_processes_share_a_study_by_its_seeds(tmp_path: Path) -> None:
    path = study_file(tmp_path)
    folder = tmp_path / 'study'
    assert main(['study', str(path), '--seeds', '1', '--variants', 'rein']) == 0
    assert [str(one.parent.relative_to(folder)) for one in folder.glob('*/*/targets.csv')] == [
        'rein/1'
    ]
    assert main(['study', str(path), '--seeds', '0']) == 0
    runs = json.loads((folder / 'study.json').read_text())['runs']
    assert [(run['variant'], run['seed']) for run in runs] == [
        ('joint', 0), ('rein', 0), ('rein', 1),
    ]  # fmt: skip


@pytest.mark.parametrize('odd', [['--seeds', '7'], ['--variants', 'reign']])
def test_parts_that_the_study_has_not_are_refused(
    tmp_path: Path, odd: list[str], error_of: ErrorOf
) -> None:
    line = error_of('study', study_file(tmp_path), *odd)
    assert odd[1] in line
    assert 'joint, rein' in line


def test_what_the_frozen_stream_says_is_kept_for_the_next_network(tmp_path: Path) -> None:
    config = read_config(study_file(tmp_path), StudyConfig)
    network = build_network(config.run('joint', 0))
    space = config.run('joint', 0).classes
    samples = loaders(Source('camvid', str(tmp_path / 'data')))
    frozen = FrozenDepth([config.run('joint', 0).model])
    expected = validate(network, samples, space)
    assert validate(network, samples, space, frozen) == pytest.approx(expected, abs=0.1)
    network.depth_steps = None  # type: ignore[assignment, method-assign]
    assert validate(network, samples, space, frozen) == pytest.approx(expected, abs=0.1)


def test_a_cache_of_other_views_is_refused(tmp_path: Path, error_of: ErrorOf) -> None:
    path = study_file(tmp_path, seeds=[0])
    assert main(['study', str(path), '--variants', 'joint']) == 0
    fields = yaml.safe_load(path.read_text())
    fields['fit']['augment']['scale'] = [1.0, 1.1]
    path.write_text(yaml.safe_dump(fields))
    # As earlier versions left it.
    (tmp_path / 'study' / 'joint' / '0' / 'config.json').unlink()
    line = error_of('study', path, '--variants', 'rein')
    assert 'cache_0' in line
    assert 'augment' in line


def test_an_unfinished_run_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = read_config(study_file(tmp_path, seeds=[0]), StudyConfig)
    state = Path(config.run('rein', 0).output) / 'state.safetensors'
    state.parent.mkdir(parents=True)
    state.touch()
    resumed = {}

    def fit(run: Any, *, resume: bool, **_: object) -> None:
        folder = Path(run.output)
        resumed[folder.parent.name] = resume
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'targets.csv').write_text('name,miou\nnear,50\nfar/a,40\n')

    monkeypatch.setattr('depthforge_trainer.study.fit', fit)
    study(config)
    assert resumed == {'joint': False, 'rein': True}


def test_a_group_counts_once_and_the_spread_is_over_seeds() -> None:
    values = {'day': 80.0, 'dusk': 60.0, 'bad/fog': 10.0, 'bad/snow': 30.0}
    runs = [Judged('a', 0, values), Judged('a', 1, {**values, 'dusk': 50.0})]
    assert runs[0].figures(['dusk', 'bad'])[AVERAGE] == 40.0
    assert runs[0].figures(['dusk', 'bad'])['bad'] == 20.0
    spread = statistics.stdev([60.0, 50.0])
    assert (
        f'| a | 2 | 80.0 ± 0.0 | 55.0 ± {spread:.1f} | 20.0 ± 0.0 |'
        in list(lines(runs, ['dusk', 'bad']))[2]
    )


def test_changes_merge_into_mappings_and_replace_all_else() -> None:
    base = {'model': {'tokens': {'rank': 4, 'count': 9}}, 'phases': [1, 2]}
    changes = {'model': {'tokens': {'rank': 8}}, 'phases': [3]}
    assert merged(base, changes) == {
        'model': {'tokens': {'rank': 8, 'count': 9}}, 'phases': [3]
    }  # fmt: skip
    assert base['model']['tokens']['rank'] == 4


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'variants': {}}, ['no variants']),
        ({'unseen': ['moon']}, ['moon', "'far'", "'near'"]),
        ({'variants': {'odd': {'modle': {}}}}, ['odd', 'modle', 'did you mean model']),
        ({'fitt': {}}, ['fitt', 'did you mean fit']),
        ({'variants': {'odd': 5}}, ['variant odd is 5', 'mapping']),
        ({'variants': {'odd': {'seed': 3}}}, ['odd names seed', 'leave it out']),
        ({'variants': {'odd': {'model': None}}}, ['variant odd: model', 'NetworkConfig is None']),
        ({'unseen': []}, ['unseen is empty']),
        ({'seeds': [-1]}, ['seeds[0] is -1', 'at least 0']),
    ],
)
def test_wrong_studies_are_refused_in_one_line(
    tmp_path: Path, changes: dict[str, Any], words: list[str], error_of: ErrorOf
) -> None:
    line = error_of('study', study_file(tmp_path, **changes))
    assert all(word in line for word in words), line


def test_sources_are_thinned_and_corrupted(tmp_path: Path) -> None:
    pytest.importorskip('imagecorruptions')
    street_like(tmp_path / 'data', count=6)
    plain = Source('camvid', str(tmp_path / 'data'))
    assert [load.image.stem for load in loaders(plain)] == list('012345')
    thinned = Source('camvid', str(tmp_path / 'data'), every=4)
    assert [load.image.stem for load in loaders(thinned)] == ['0', '4']
    foggy = Source('camvid', str(tmp_path / 'data'), corruption='fog', severity=3)
    clean, changed = loaders(plain)[1](), loaders(foggy)[1]()
    assert np.abs(clean.rgb.astype(int) - changed.rgb).mean() > 10.0
    assert np.array_equal(changed.rgb, loaders(foggy)[1]().rgb)
    assert np.array_equal(clean.labels, changed.labels)
    for wrong in ('foog', 'all'):
        with pytest.raises(UserError, match=wrong):
            loaders(Source('camvid', str(tmp_path / 'data'), corruption=wrong))


def test_the_study_that_ships_is_the_one_of_the_readme() -> None:
    config = read_config(CONFIGS / 'study_camvid_day.yaml', StudyConfig)
    runs = {name: config.run(name, 0) for name in config.variants}
    assert {run.model.tokens.attention for run in runs.values()} == {'joint', 'separate', 'visual'}
    compared = ('frozen', 'rein', 'joint', 'separate', 'no_refinement')
    assert len({runs[name].phases[0].iterations for name in compared}) == 1
    # What helps DepthForge is given to Rein too.
    for remedy in ('rate', 'cosine', 'fast'):
        ours, theirs = runs[f'joint_{remedy}'], runs[f'rein_{remedy}']
        assert ours.phases == theirs.phases
        assert ours.model.tokens.cosine == theirs.model.tokens.cosine
    assert runs['frozen'].model.tokens.scale_init == 0.0
    assert {phase.train for phase in runs['frozen'].phases} == {'head'}
    assert not runs['no_refinement'].model.head.refine
