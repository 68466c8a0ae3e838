# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Draw the README's badges from what the repository says of itself: `python docs/badges.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import re

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'docs' / 'badges'
NARROW, NARROW_PX, WIDE_PX = ' .-:fijlrt', 4.6, 7.1
"""Widths of characters at 11 pixels, about those of Verdana."""
SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" \
aria-label="{label}: {value}">
<!-- Copyright 2026 The depthforge_ros authors. SPDX-License-Identifier: Apache-2.0 -->
<clipPath id="r"><rect width="{width}" height="20" rx="3"/></clipPath>
<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#444"/>\
<rect x="{left}" width="{right}" height="20" fill="{colour}"/></g>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="{label_x}" y="14" textLength="{label_px}">{label}</text>
<text x="{value_x}" y="14" textLength="{value_px}">{value}</text>
</g></svg>
"""


def badges() -> Mapping[str, str]:
    """Return each badge's SVG by its file's name."""
    setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
    project = (ROOT / 'pyproject.toml').read_text(encoding='utf-8')
    first, beyond = _found(r"python_requires='>=3\.(\d+),<3\.(\d+)'", setup)
    (licence,) = _found(r"license='([\w.-]+)'", setup)
    (distribution,) = _found(r"'ros-(\w+)-rclpy", setup)
    _found(r'\n(strict = true)\n', project)
    return {
        'licence.svg': _badge('code', licence, '#1f6feb'),
        'python.svg': _badge('python', f'3.{first} to 3.{int(beyond) - 1}', '#1f6feb'),
        'ros.svg': _badge('ROS 2', distribution.capitalize(), '#1f6feb'),
        'types.svg': _badge('types', 'mypy strict', '#1a7f37'),
        'weights.svg': _badge('weights', 'non-commercial', '#9a6700'),
    }


def _found(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    if match is None:
        raise ValueError(f'{pattern} is not found; draw the badge from what is there now')
    return match.groups()


def _badge(label: str, value: str, colour: str) -> str:
    label_px, value_px = (
        round(sum(NARROW_PX if one in NARROW else WIDE_PX for one in text))
        for text in (label, value)
    )
    left, right = label_px + 12, value_px + 12
    return SVG.format(
        label=label, value=value, colour=colour, left=left, right=right, width=left + right,
        label_px=label_px, value_px=value_px, label_x=left / 2, value_x=left + right / 2,
    )  # fmt: skip


if __name__ == '__main__':
    for name, svg in badges().items():
        (FOLDER / name).write_text(svg, encoding='utf-8')
