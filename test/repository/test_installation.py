# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Real installs of a copy of the source tree, by colcon and by pip, held against the source."""

from __future__ import annotations

import os
from pathlib import Path
import shutil
import subprocess
import sys
import sysconfig

import pytest
from support.paths import ROOT

PACKAGE = 'depthforge_ros'
SHARED_FOLDERS = ('config', 'drive', 'launch', 'models')
SOURCES = (
    *SHARED_FOLDERS, PACKAGE, 'resource', 'trainer', 'LICENSE', 'README.md', 'package.xml',
    'pyproject.toml', 'setup.cfg', 'setup.py',
)  # fmt: skip
UNTRACKED = shutil.ignore_patterns('__pycache__', '*.egg-info')
EXECUTABLES = ('depthforge', 'depthforge_node')

IMPORT_ALL_WITHOUT_ROS = """
import importlib, pkgutil, sys

class NoRos:
    def find_spec(self, name, path=None, target=None):
        top = name.split('.')[0]
        if top in ('rclpy', 'ament_index_python') or top.endswith('_msgs'):
            raise ModuleNotFoundError(f'{name}: no ROS here', name=name)

sys.meta_path.insert(0, NoRos())
import depthforge_ros
from depthforge_ros.cli.main import main
from depthforge_ros.resources import share_directory

for module in pkgutil.walk_packages(depthforge_ros.__path__, 'depthforge_ros.'):
    if not f'{module.name}.'.startswith('depthforge_ros.ros.'):
        importlib.import_module(module.name)
print(depthforge_ros.__file__)
print(share_directory())
sys.exit(main(['--help']))
"""


def run(command: list[str], *, cwd: Path, **environment: str) -> str:
    """Run to a good end, apart from this checkout and its environment; return the output."""
    kept = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    done = subprocess.run(
        command, cwd=cwd, env=kept | environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def content(folder: Path) -> dict[str, bytes]:
    """Read every file under a folder that is not Python's own, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and '__pycache__' not in path.parts
    }


def shared_content(root: Path) -> dict[str, bytes]:
    """Read the files that an installation shares, by relative path."""
    return {
        f'{folder}/{name}': data
        for folder in SHARED_FOLDERS
        for name, data in content(root / folder).items()
    }


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the sources, so that no build leaves anything in the checkout."""
    copy = tmp_path_factory.mktemp('source') / PACKAGE
    copy.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=UNTRACKED)
        else:
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope='module')
def colcon_prefix(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sources with colcon; the prefix of the package."""
    return build_with_colcon(source, tmp_path_factory.mktemp('colcon'))


@pytest.fixture(scope='module')
def pip_target(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the sources with pip into an empty folder."""
    target = tmp_path_factory.mktemp('pip')
    options = ['--no-deps', '--no-build-isolation', '--quiet', '--target', str(target)]
    run([sys.executable, '-m', 'pip', 'install', *options, str(source)], cwd=target)
    return target


def build_with_colcon(source: Path, workspace: Path, *options: str) -> Path:
    """Build into a workspace; the prefix of the package."""
    path = os.pathsep.join((sysconfig.get_path('scripts'), os.environ['PATH']))
    colcon = shutil.which('colcon', path=path)
    assert colcon, "colcon is missing; pip install -e '.[test]' has it"
    run(
        [colcon, '--log-base', 'log', 'build', '--base-paths', str(source), *options],
        cwd=workspace,
    )
    return workspace / 'install' / PACKAGE


def site_packages(prefix: Path) -> Path:
    """Folder of the modules in a prefix: site-packages, or dist-packages on Debian's Python."""
    (found,) = prefix.glob(f'**/*-packages/{PACKAGE}')
    return found.parent


def test_colcon_installs_every_shared_file(source: Path, colcon_prefix: Path) -> None:
    share = colcon_prefix / 'share' / PACKAGE
    assert shared_content(share) == shared_content(source)
    assert (share / 'package.xml').read_bytes() == (source / 'package.xml').read_bytes()
    assert (colcon_prefix / 'share/ament_index/resource_index/packages' / PACKAGE).is_file()


def test_colcon_installs_launch_config_model_and_drive(colcon_prefix: Path) -> None:
    share = colcon_prefix / 'share' / PACKAGE
    for pattern in ('launch/*.launch.py', 'config/*.yaml', 'config/*.rviz', 'models/*.md',
                    'models/*.safetensors', 'drive/images/*', 'drive/camera.yaml'):  # fmt: skip
        assert list(share.glob(pattern)), f'no {pattern} in {share}'


def test_colcon_installs_every_module(source: Path, colcon_prefix: Path) -> None:
    installed = content(site_packages(colcon_prefix) / PACKAGE)
    assert installed == content(source / PACKAGE)


def test_colcon_links_every_shared_file(source: Path, tmp_path: Path) -> None:
    prefix = build_with_colcon(source, tmp_path, '--symlink-install')
    assert shared_content(prefix / 'share' / PACKAGE) == shared_content(source)
    assert (prefix / 'share' / PACKAGE / 'package.xml').is_symlink()


@pytest.mark.parametrize('name', EXECUTABLES)
def test_ros2_run_finds_the_executable(colcon_prefix: Path, name: str) -> None:
    assert os.access(colcon_prefix / 'lib' / PACKAGE / name, os.X_OK)


def test_executable_of_colcon_uses_its_own_share(colcon_prefix: Path, tmp_path: Path) -> None:
    modules = str(site_packages(colcon_prefix))
    executable = colcon_prefix / 'lib' / PACKAGE / 'depthforge'
    assert 'predict' in run([str(executable), '--help'], cwd=tmp_path, PYTHONPATH=modules)
    where = 'from depthforge_ros.resources import share_directory; print(share_directory())'
    found = run([sys.executable, '-c', where], cwd=tmp_path, PYTHONPATH=modules)
    assert Path(found.strip()) == colcon_prefix / 'share' / PACKAGE


def test_colcon_builds_no_other_package(colcon_prefix: Path) -> None:
    built = [path.name for path in colcon_prefix.parent.iterdir() if path.is_dir()]
    assert built == [PACKAGE]


def test_pip_installs_every_file(source: Path, pip_target: Path) -> None:
    assert shared_content(pip_target / 'share' / PACKAGE) == shared_content(source)
    assert content(pip_target / PACKAGE) == content(source / PACKAGE)
    assert all((pip_target / 'bin' / name).is_file() for name in EXECUTABLES)


def test_core_of_pip_needs_no_ros(pip_target: Path, tmp_path: Path) -> None:
    output = run(
        [sys.executable, '-c', IMPORT_ALL_WITHOUT_ROS], cwd=tmp_path, PYTHONPATH=str(pip_target)
    )
    module, share, *usage = output.splitlines()
    assert Path(module).parent == pip_target / PACKAGE
    assert Path(share) == pip_target / 'share' / PACKAGE
    assert any('predict' in line for line in usage)


def test_pip_and_colcon_tell_the_same_version(source: Path, pip_target: Path) -> None:
    (metadata,) = pip_target.glob('*.dist-info/METADATA')
    version = next(
        line.split(': ')[1]
        for line in metadata.read_text(encoding='utf-8').splitlines()
        if line.startswith('Version: ')
    )
    assert f'<version>{version}</version>' in (source / 'package.xml').read_text(encoding='utf-8')
