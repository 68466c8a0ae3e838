# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The three places of the bundled files; test_installation has real installs."""

from __future__ import annotations

import os
from pathlib import Path

from depthforge_ros.resources import find_share, share_directory
import pytest
from support.paths import ROOT
from support.refusals import refused


def fill(share: Path) -> Path:
    share.mkdir(parents=True)
    (share / 'package.xml').touch()
    return share


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Folder of a package that pip put into a prefix whose share folder lacks it."""
    return tmp_path / 'prefix/lib/python3.12/site-packages/depthforge_ros'


def test_source_checkout_is_found() -> None:
    assert share_directory() == ROOT


def test_prefix_of_the_package_is_found(tmp_path: Path, package: Path) -> None:
    share = fill(tmp_path / 'prefix/share/depthforge_ros')
    assert find_share(package, str(tmp_path / 'python'), {}) == share


def test_prefix_of_python_is_found(tmp_path: Path, package: Path) -> None:
    share = fill(tmp_path / 'python/share/depthforge_ros')
    assert find_share(package, str(tmp_path / 'python'), {}) == share


def test_ament_prefix_is_found_behind_others(tmp_path: Path, package: Path) -> None:
    share = fill(tmp_path / 'overlay/share/depthforge_ros')
    path = os.pathsep.join(['', str(tmp_path / 'underlay'), str(tmp_path / 'overlay')])
    found = find_share(package, str(tmp_path / 'python'), {'AMENT_PREFIX_PATH': path})
    assert found == share


def test_source_goes_before_an_older_installation(tmp_path: Path) -> None:
    fill(tmp_path / 'overlay/share/depthforge_ros')
    source = fill(tmp_path / 'source')
    ament = {'AMENT_PREFIX_PATH': str(tmp_path / 'overlay')}
    assert find_share(source / 'depthforge_ros', str(tmp_path), ament) == source


def test_missing_files_are_one_clear_line(tmp_path: Path, package: Path) -> None:
    with refused('bundled files of depthforge_ros'):
        find_share(package, str(tmp_path / 'python'), {'AMENT_PREFIX_PATH': ''})
