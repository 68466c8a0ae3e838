# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Foundation weights over HTTP from a server on this machine, and what can go wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
from functools import partial
import hashlib
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
import re
from threading import Thread

from depthforge_ros.errors import UserError
from depthforge_ros.model import fetch as fetching
from depthforge_ros.model.checkpoint import read_foundation
from depthforge_ros.model.fetch import fetch
from depthforge_ros.model.manifest import Foundation, read_manifest
from depthforge_ros.model.parts import Sizes, sizes_of
from depthforge_ros.model.presets import PRESETS
from depthforge_ros.model.registry import MODELS
import pytest
from support import foreign
from support.refusals import ErrorOf
import torch

SMALL = Sizes(kind='dinov2', width=64, depth=2, patch=14, registers=0)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve tmp_path/site; the address of its root."""
    (tmp_path / 'site').mkdir()
    handler = partial(Quiet, directory=str(tmp_path / 'site'))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{http.server_address[1]}'
        http.shutdown()


def publish(folder: Path, address: str, name: str, shapes: dict[str, foreign.Shape]) -> Foundation:
    """Put weights on the site, and what a manifest would say of them."""
    path = folder / f'{name}.pth'
    torch.save(foreign.filled(shapes), path)
    return Foundation(
        name=name,
        url=f'{address}/{name}.pth',
        bytes=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        licence='CC-BY-NC-4.0',
        encoder=SMALL,
        depth_head='depth_anything' in name,
    )


@pytest.fixture
def manifest(tmp_path: Path, server: str) -> dict[str, Foundation]:
    """Publish fakes of the foundations of depthforge_base."""
    depth, visual = MODELS['depthforge_base'].foundations
    site = tmp_path / 'site'
    return {
        depth: publish(site, server, depth, foreign.depth_anything(64, 2)),
        visual: publish(site, server, visual, foreign.dinov2(64, 2)),
    }


def refused(name: str, manifest: dict[str, Foundation], directory: Path, **options: Path) -> str:
    before = sorted(directory.iterdir()) if directory.is_dir() else []
    with pytest.raises(UserError) as caught:
        fetch(name, manifest, directory, **options)
    assert (sorted(directory.iterdir()) if directory.is_dir() else []) == before
    text = str(caught.value)
    assert '\n' not in text
    return text


def test_every_foundation_of_a_model_is_fetched_once(
    tmp_path: Path,
    manifest: dict[str, Foundation],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = tmp_path / 'new' / 'weights'
    paths = fetch('depthforge_base', manifest, directory)
    assert sorted(directory.iterdir()) == sorted(paths)
    assert [path.stem for path in paths] == list(MODELS['depthforge_base'].foundations)
    assert 'depth_head.projects.0.bias' in read_foundation(paths[0])
    assert set(read_foundation(paths[1])) > {'encoder.cls_token', 'encoder.norm.bias'}
    told = capsys.readouterr().out
    assert told.count('CC-BY-NC-4.0, non-commercial use only') == 2
    monkeypatch.setattr(fetching, 'urlopen', None)
    assert fetch('depthforge_base', manifest, directory) == paths
    half = paths[0].rename(directory / f'{paths[0].stem}_fp16.safetensors')
    assert fetch('depthforge_base', manifest, directory) == [half, paths[1]]


def test_wrong_sums_and_sizes_name_both_values(
    tmp_path: Path, manifest: dict[str, Foundation]
) -> None:
    name = 'dinov2_vitb14'
    genuine = manifest[name]
    manifest[name] = dataclasses.replace(genuine, sha256='0' * 64)
    text = refused(name, manifest, tmp_path / 'w')
    assert str(genuine.sha256) in text
    assert '0' * 64 in text
    manifest[name] = dataclasses.replace(genuine, bytes=7)
    text = refused(name, manifest, tmp_path / 'w')
    assert f'{genuine.bytes} bytes' in text
    assert '7 were expected' in text


def test_an_unreachable_address_is_one_line(
    tmp_path: Path, manifest: dict[str, Foundation]
) -> None:
    name = 'dinov2_vitb14'
    for url in (manifest[name].url + 'x', 'http://127.0.0.1:9/x.pth'):
        manifest[name] = dataclasses.replace(manifest[name], url=url)
        text = refused(name, manifest, tmp_path / 'w')
        assert text.startswith(f'{url} cannot be read')
        assert '--from FILE' in text


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, manifest: dict[str, Foundation]
) -> None:
    (tmp_path / 'file').touch()
    text = refused('dinov2_vitb14', manifest, tmp_path / 'file' / 'w')
    assert 'cannot be written' in text
    assert 'DEPTHFORGE_WEIGHTS' in text


def test_weights_of_other_sizes_name_both(tmp_path: Path, manifest: dict[str, Foundation]) -> None:
    name = 'dinov2_vitb14'
    genuine = manifest[name]
    expected = SMALL._replace(width=768, depth=12, patch=16)
    manifest[name] = dataclasses.replace(genuine, encoder=expected)
    text = refused(name, manifest, tmp_path / 'w')
    assert 'width 64, depth 2, patch 14' in text
    assert 'width 768, depth 12, patch 16' in text
    manifest[name] = dataclasses.replace(genuine, depth_head=True)
    assert 'without a depth head' in refused(name, manifest, tmp_path / 'w')


def test_a_file_is_taken_for_the_foundation_whose_sum_it_has(
    tmp_path: Path, manifest: dict[str, Foundation]
) -> None:
    source, directory = tmp_path / 'site' / 'dinov2_vitb14.pth', tmp_path / 'w'
    (path,) = fetch('depthforge_base', manifest, directory, source=source)
    assert path == directory / 'dinov2_vitb14.safetensors'
    assert read_foundation(path)
    source.write_bytes(source.read_bytes() + b'x')
    text = refused('depthforge_base', manifest, directory, source=source)
    assert hashlib.sha256(source.read_bytes()).hexdigest() in text
    assert str(manifest['dinov2_vitb14'].sha256) in text
    absent = refused('depthforge_base', manifest, directory, source=tmp_path / 'none')
    assert 'does not exist' in absent


def test_without_a_published_sum_it_says_what_is_checked(
    tmp_path: Path, manifest: dict[str, Foundation], capsys: pytest.CaptureFixture[str]
) -> None:
    name = 'dinov2_vitb14'
    manifest[name] = dataclasses.replace(manifest[name], sha256=None, bytes=None)
    assert fetch(name, manifest, tmp_path / 'w')
    assert 'no sha256 is published; only names and shapes' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('name', 'expected'),
    [('depthforge_huge', 'choose one of these'), ('depthforge_tiny', 'nothing to fetch')],
)
def test_what_cannot_be_fetched_is_one_line(name: str, expected: str, error_of: ErrorOf) -> None:
    assert expected in error_of('fetch', name)


def test_the_manifest_is_whole() -> None:
    manifest = read_manifest()
    families = ('dinov2_vit', 'eva02_', 'depth_anything_v2_vit', 'depth_anything_v2_metric_')
    assert all(any(name.startswith(family) for name in manifest) for family in families)
    for foundation in manifest.values():
        assert foundation.url.startswith('https://')
        assert re.fullmatch('[0-9a-f]{64}', foundation.sha256 or '0' * 64)
        free = 'depth_anything' not in foundation.name or foundation.name.endswith('vits')
        assert ('non-commercial' in foundation.terms) != free
    sums = [one.sha256 for one in manifest.values() if one.sha256]
    assert len(set(sums)) == len(sums)


@pytest.mark.parametrize('name', [name for name in PRESETS if name != 'depthforge_small'])
def test_presets_fit_their_foundations(name: str) -> None:
    manifest, config = read_manifest(), PRESETS[name]
    depth, visual = (manifest[one] for one in MODELS[name].foundations)
    assert (depth.encoder, depth.depth_head) == (sizes_of(config.encoder), True)
    assert (visual.encoder, visual.depth_head) == (
        sizes_of(config.visual or config.encoder),
        False,
    )


def test_a_broken_manifest_is_one_line(tmp_path: Path) -> None:
    (tmp_path / 'm.yaml').write_text('a: {url: x}')
    with pytest.raises(UserError, match='cannot be read'):
        read_manifest(tmp_path / 'm.yaml')
