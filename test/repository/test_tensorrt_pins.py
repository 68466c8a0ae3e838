# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The pins of the extra `tensorrt`, against the index of the registry; nothing is installed."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
import functools
from pathlib import Path
import re
import subprocess
import sys
from typing import NamedTuple
import zipfile

from packaging.requirements import Requirement
from packaging.version import Version
import pytest
from support.paths import ROOT

SETUP = (ROOT / 'setup.py').read_text(encoding='utf-8')
PIP = (sys.executable, '-m', 'pip', '--disable-pip-version-check')
GLIBC = ('manylinux_2_17', 'manylinux_2_28', 'manylinux_2_34')
"""Tags of wheels that Ubuntu 24.04 and JetPack 7 take."""
TIMEOUT_S = 100.0


class Platform(NamedTuple):
    """A machine, for which pip resolves."""

    python: str
    machine: str

    @property
    def options(self) -> list[str]:
        """Return pip's options for it."""
        tags = [f'--platform={one}_{self.machine}' for one in GLIBC]
        return [f'--python-version={self.python}', '--only-binary=:all:', *tags]


PLATFORMS = [
    Platform(python, machine)
    for python in ('3.10', '3.12', '3.13')
    for machine in ('x86_64', 'aarch64')
]


def pins() -> Mapping[str, Version]:
    """Read what setup.py pins for TensorRT, and PyTorch beside it."""
    (extra,) = re.findall(r"'tensorrt': \[(.*)\]", SETUP)
    torch = re.findall(r"'(torch==[\d.]+)'", SETUP)
    return {
        name: Version(version)
        for name, version in (one.strip("'").split('==') for one in (*extra.split(', '), *torch))
    }


def pip(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PIP, *words], capture_output=True, text=True, timeout=TIMEOUT_S)


@functools.cache
def versions(name: str, platform: Platform) -> frozenset[Version]:
    """Ask the index which versions a platform can have; no file is fetched."""
    said = pip('index', 'versions', name, *platform.options)
    (listed,) = re.findall('^Available versions: (.*)$', said.stdout, re.MULTILINE) or ['']
    return frozenset(Version(one) for one in listed.split(', ') if one)


@pytest.fixture(scope='module', autouse=True)
def _registry() -> None:
    if not versions('torch', PLATFORMS[0]):
        pytest.skip('the package registry does not answer here')


def test_every_pin_is_there_for_every_platform() -> None:
    wanted = [(name, platform) for name in pins() for platform in PLATFORMS]
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda one: versions(*one), wanted)
    missing = [
        f'{name}=={pins()[name]} for Python {platform.python} on {platform.machine}'
        for (name, platform), there in zip(wanted, found, strict=True)
        if pins()[name] not in there
    ]
    assert missing == []


def test_a_pin_that_is_not_there_would_be_found() -> None:
    assert Version('2.13.99') not in versions('torch-tensorrt', PLATFORMS[0])


def test_there_is_none_for_python_3_14() -> None:
    """When there is one, docs/tensorrt.md and the remark in setup.py are out of date."""
    there = versions('torch-tensorrt', Platform('3.14', 'x86_64'))
    assert pins()['torch-tensorrt'] not in there


@pytest.mark.parametrize('machine', ['x86_64', 'aarch64'])
def test_the_pins_are_what_torch_tensorrt_asks_for(machine: str, tmp_path: Path) -> None:
    asked = f'torch-tensorrt=={pins()["torch-tensorrt"]}'
    options = Platform('3.12', machine).options
    done = pip('download', '--quiet', '--no-deps', f'--dest={tmp_path}', *options, asked)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith('.dist-info/METADATA'))
        lines = archive.read(name).decode().splitlines()
    needs = [Requirement(one.partition(': ')[2]) for one in lines if one.startswith('Requires-D')]
    known = {need.name: need for need in needs if need.name in pins()}
    assert set(known) == {'torch', 'tensorrt'}
    assert [str(need) for name, need in known.items() if pins()[name] not in need.specifier] == []
