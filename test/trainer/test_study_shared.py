# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the runs of a study share, and with whom: processes, and studies that were changed."""

from __future__ import annotations

from pathlib import Path
import threading
import time
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_trainer import study as module
from depthforge_trainer.cli import main
from depthforge_trainer.config import FitConfig, read_config
from depthforge_trainer.lock import alone_in
from depthforge_trainer.study import study, StudyConfig
import pytest
from support.refusals import ErrorOf
from support.training import study_file
import yaml

START = [{'train': 'head', 'iterations': 1, 'batch': 2}]


def pretend(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let runs be done at once; their folders, as they come."""
    done: list[str] = []

    def fit(run: FitConfig, **_: object) -> None:
        folder = Path(run.output)
        done.append(f'{folder.parent.name}/{folder.name}')
        (folder / 'last.safetensors').touch()
        if run.targets:
            (folder / 'targets.csv').write_text('name,miou\nnear,50\nfar/a,40\n')

    monkeypatch.setattr(module, 'fit', fit)
    return done


def test_what_another_process_is_at_work_on_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = read_config(study_file(tmp_path, seeds=[0], start=START), StudyConfig)
    done = pretend(monkeypatch)
    start = Path(config.start_run('rein', 0).output)
    other = threading.Thread(target=study, args=(config,), kwargs={'variants': ['rein']})
    with alone_in(start):
        other.start()
        time.sleep(1.0)
        assert done == []
        (start / 'last.safetensors').touch()
    other.join(20.0)
    # The start is the other process's.
    assert done == ['rein/0']
    assert f'another process, which is at work in {start}' in capsys.readouterr().out


def test_a_cache_that_another_process_fills_is_waited_for(tmp_path: Path) -> None:
    config = read_config(study_file(tmp_path, seeds=[0]), StudyConfig)
    run = config.run('joint', 0)
    other = threading.Thread(target=study, args=(config,), kwargs={'variants': ['joint']})
    with alone_in(Path(run.cache)):
        other.start()
        time.sleep(3.0)
        assert not (Path(run.cache) / 'rgb.npy').exists()
    other.join(60.0)
    assert (Path(run.output) / 'targets.csv').is_file()


def test_a_study_does_not_run_under_torchrun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('WORLD_SIZE', '2')
    with pytest.raises(UserError, match='torchrun'):
        study(read_config(study_file(tmp_path), StudyConfig))


@pytest.mark.parametrize(
    ('changes', 'key'),
    [
        ({'fit': {'phases': [{'train': 'all', 'iterations': 3, 'batch': 2}]}}, 'phases'),
        ({'fit': {'augment': {'brightness': 0.1}}}, 'augment.brightness'),
        ({'start': [{'train': 'head', 'iterations': 2, 'batch': 2}]}, 'phases'),
    ],
)
def test_results_of_another_configuration_are_refused(
    tmp_path: Path,
    changes: dict[str, Any],
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    error_of: ErrorOf,
) -> None:
    path = study_file(tmp_path, seeds=[0], start=START)
    done = pretend(monkeypatch)
    assert main(['study', str(path), '--variants', 'joint']) == 0
    path.write_text(yaml.safe_dump(module.merged(yaml.safe_load(path.read_text()), changes)))
    done.clear()
    line = error_of('study', path)
    assert f'was written with another {key};' in line
    assert 'name another output' in line
    assert done == []
    # Studies of earlier versions have no record, and are gone on with.
    for record in (tmp_path / 'study').glob('**/config.json'):
        record.unlink()
    assert main(['study', str(path)]) == 0
    assert done == ['rein/0']


def owners(config: StudyConfig) -> dict[str, tuple[str, str]]:
    """Whose start and which cache every variant has."""
    return {
        name: (
            Path(config.start_run(name, 0).output).parent.name,
            Path(config.run(name, 0).cache).name,
        )
        for name in config.variants
    }


def test_variants_share_only_what_is_the_same_for_them(tmp_path: Path) -> None:
    variants = {
        'a': None,
        'b_tokens': {'model': {'tokens': {'attention': 'visual'}, 'short_side': 70}},
        'c_phases': {'phases': [{'train': 'all', 'iterations': 3, 'batch': 2}]},
        'd_loss': {'loss': {'semantic': 3.0}},
        'e_views': {'augment': {'short_side': 70}},
        'f_rank': {'model': {'tokens': {'rank': 3}}},
    }
    path = study_file(tmp_path, seeds=[0], start=START, variants=variants)
    config = read_config(path, StudyConfig)
    assert owners(config) == {
        'a': ('a', 'cache_0'),
        'b_tokens': ('a', 'cache_0'),
        'c_phases': ('a', 'cache_0'),
        'd_loss': ('d_loss', 'cache_0'),
        'e_views': ('e_views', 'cache_0_e_views'),
        'f_rank': ('f_rank', 'cache_0'),
    }
    # The starts are the same whoever begins.
    assert config.start_run('b_tokens', 0) == config.start_run('a', 0)
    # What the frozen stream says depends on the size of the image.
    assert config.frozen('a') == config.frozen('c_phases') != config.frozen('b_tokens')


def test_tokens_that_learn_in_the_start_are_not_shared(tmp_path: Path) -> None:
    variants = {'a': None, 'b': {'model': {'tokens': {'attention': 'visual'}}}}
    start = [{'train': 'all', 'iterations': 1, 'batch': 2}]
    path = study_file(tmp_path, seeds=[0], start=start, variants=variants)
    assert owners(read_config(path, StudyConfig))['b'][0] == 'b'
