# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The report in a real browser, and as Markdown."""

from __future__ import annotations

import json
from pathlib import Path
import re
import shutil
import subprocess

from depthforge_ros.cli.main import main
from depthforge_ros.labels import CAMVID
from depthforge_ros.reports.contact_sheet import contact_sheet
import numpy as np
import pytest
from support import bags
from support.refusals import ErrorOf

CHROMIUM = shutil.which('chromium') or shutil.which('google-chrome')
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason='no Chromium is installed')
CONSOLE = re.compile(r':(?:INFO|WARNING|ERROR):CONSOLE')
PLOTS = 7
"""Time line, classes, two confusions, latency, calibration, risk and coverage."""


@pytest.fixture(scope='module')
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Judge a drive twice with the null engine; beside report.html lie report.md and .json."""
    folder = tmp_path_factory.mktemp('report')
    drive = bags.write_bag(folder / 'bag', frames=12)
    code = main(
        ['evaluate', 'bag', str(drive), '--truth-labels', 'camvid', '--model', 'depthforge_tiny',
         '--against', 'depthforge_tiny', '--engine', 'null', '--report',
         str(folder / 'report.html'), '--report', str(folder / 'report.md'), '--json',
         str(folder / 'report.json')]
    )  # fmt: skip
    assert code == 0
    return folder / 'report.html'


def browse(page: Path, tmp_path: Path) -> tuple[str, str]:
    """Return the page as scripts left it, and what the browser had to say."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, '--headless=new', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr',
         '--virtual-time-budget=10000', f'--user-data-dir={tmp_path / "profile"}', '--dump-dom',
         page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


@needs_browser
def test_plots_are_drawn_without_an_error_or_the_network(report: Path, tmp_path: Path) -> None:
    page, said = browse(report, tmp_path)
    assert [line for line in said.splitlines() if CONSOLE.search(line)] == []
    drawn = re.findall(r'id="(plot-0-\d)".*?class="main-svg"', page, re.DOTALL)
    assert drawn == [f'plot-0-{number}' for number in range(PLOTS)]
    assert "default-src 'none'" in page


@needs_browser
def test_a_request_or_an_error_would_be_seen(report: Path, tmp_path: Path) -> None:
    """The page's own policy forbids the network: what tries it is an error of the console."""
    broken = tmp_path / 'broken.html'
    text = report.read_text(encoding='utf-8')
    broken.write_text(text.replace('</main>', '<img src="http://127.0.0.1:9/x"></main>'))
    _, said = browse(broken, tmp_path)
    assert [line for line in said.splitlines() if CONSOLE.search(line)] != []


def test_marks_of_the_time_line_lead_to_pictures(report: Path) -> None:
    text = report.read_text(encoding='utf-8')
    figures = set(re.findall(r'<figure id="(moment-0-\d)">', text))
    (marks,) = re.findall(r'"customdata":\s*(\["moment-[^\]]*\])', text)
    assert figures
    assert set(json.loads(marks)) == figures


def test_markdown_and_json_have_the_figures_of_both(report: Path) -> None:
    figures = json.loads(report.with_suffix('.json').read_text(encoding='utf-8'))
    assert figures['against']['miou'] == figures['miou']
    lines = report.with_suffix('.md').read_text(encoding='utf-8').splitlines()
    assert f'| miou | {figures["miou"]:g} | {figures["miou"]:g} |' in lines
    assert any(line.startswith('| road |') for line in lines)


def test_a_title_may_be_no_text() -> None:
    # OpenCV would end the process.
    sheets = [contact_sheet(title, '', [], CAMVID) for title in ('b\udcff', 'b?')]
    np.testing.assert_array_equal(*sheets)


def test_one_slow_frame_does_not_squash_the_others(tmp_path: Path) -> None:
    mask = np.full((bags.HEIGHT, bags.WIDTH), 3, np.uint8)
    with bags.recording(tmp_path / 'bag') as bag:
        for frame in range(8):
            bag.image('/camera/image', frame, bags.scene(frame), 'rgb8')
        for frame in range(8):
            later_ms = 12_300.0 if frame == 7 else 20.0 + frame
            bag.image('/n/segmentation/mask', frame, mask, 'mono8', later_ms=later_ms)
    page = tmp_path / 'report.html'
    assert main(['evaluate', 'bag', str(tmp_path / 'bag'), '--mask-labels', 'camvid', '--report',
                 str(page)]) == 0  # fmt: skip
    text = page.read_text(encoding='utf-8')
    assert 'Latency of all frames but 1 beyond 118 ms, up to 12.3 s' in text
    (drawn,) = re.findall(r'"x":(\[[^\]]*\]),"type":"histogram"', text)
    assert json.loads(drawn) == [20.0 + frame for frame in range(7)]
    assert '<b>24 ms</b>latency p50' in text
    assert re.search(r'<b>11\.\d s</b>latency p99', text)


def test_an_unknown_format_is_refused_before_the_work(tmp_path: Path, error_of: ErrorOf) -> None:
    command = ('evaluate', 'bag', bags.write_bag(tmp_path / 'bag', frames=1), '--engine', 'null')
    assert 'choose one of .html, .md' in error_of(*command, '--report', 'a.pdf')
