# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Disks that are full and readers that are gone: one line or none, and nothing half written."""

from __future__ import annotations

import os
from pathlib import Path
import subprocess
import sys

from depthforge_ros.cli.main import EXIT_NO_READER
import pytest
from support.bags import write_bag
from support.drives import make_bag_arguments, write_drive
from support.limits import full_disk
from support.paths import ROOT
from support.refusals import ErrorOf

NULL = ('--engine', 'null')


@pytest.mark.parametrize('command', ['make-bag', 'view'])
def test_a_bag_that_does_not_fit_leaves_nothing(
    tmp_path: Path, error_of: ErrorOf, command: str
) -> None:
    drive, output = write_drive(tmp_path / 'drive', 9), tmp_path / 'out'
    arguments = {
        'make-bag': make_bag_arguments(drive, output / 'bag'),
        'view': ['view', str(drive / 'images'), *NULL, '--output', str(output / 'a.mcap')],
    }[command]
    with full_disk(20_000):
        assert 'cannot be written (File too large)' in error_of(*arguments)
    assert not output.exists() or os.listdir(output) == []


@pytest.mark.parametrize(
    ('judged', 'suffix'), [('bag', 'html'), ('bag', 'md'), ('images', 'html')]
)
def test_a_report_that_does_not_fit_leaves_the_earlier_one(
    tmp_path: Path, error_of: ErrorOf, judged: str, suffix: str
) -> None:
    arguments = ['bag', str(write_bag(tmp_path / 'bag', frames=2)), '--truth-labels', 'camvid']
    if judged == 'images':
        drive = write_drive(tmp_path / 'drive', 2)
        arguments = ['images', '--dataset', 'folder', '--labels', 'camvid', '--root', str(drive)]
    report = tmp_path / 'out' / f'report.{suffix}'
    report.parent.mkdir()
    report.write_text('before')
    with full_disk(500):
        error = error_of('evaluate', *arguments, *NULL, '--report', report)
    assert 'cannot be written (File too large)' in error
    assert report.read_text() == 'before'
    assert os.listdir(report.parent) == [report.name]


def run_overview(stdout: int, unbuffered: str) -> tuple[int, str]:
    """Run `depthforge --help`; its exit code and what it says on stderr."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONUNBUFFERED': unbuffered}
    done = subprocess.run(
        [sys.executable, '-m', 'depthforge_ros.cli.main', '--help'],
        stdout=stdout, stderr=subprocess.PIPE, env=environment, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize('unbuffered', ['', '1'])
def test_a_reader_that_is_gone_ends_the_command_silently(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert run_overview(writer, unbuffered) == (EXIT_NO_READER, '')
    finally:
        os.close(writer)


@pytest.mark.parametrize('unbuffered', ['', '1'])
def test_a_full_disk_under_stdout_is_one_line(unbuffered: str) -> None:
    with Path('/dev/full').open('wb') as full:
        code, said = run_overview(full.fileno(), unbuffered)
    (line,) = said.splitlines()
    assert code == 2
    assert line.startswith('depthforge: error: No space left on device')
