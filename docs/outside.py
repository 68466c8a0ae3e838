# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Bring documents that lie outside docs/ into the site: a hook of MkDocs.

README.md, CHANGELOG.md, CONTRIBUTING.md and the model cards stay where a reader of the repository
looks for them. The site has copies, and every link between documents leads to where the site has
its target.
"""

from __future__ import annotations

from pathlib import Path
import posixpath
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PLACES = {
    'README.md': 'readme.md',
    'CHANGELOG.md': 'changelog.md',
    'CONTRIBUTING.md': 'contributing.md',
    'LICENSE': 'LICENSE.txt',
    **{f'models/{path.name}': f'models/{path.name}' for path in (ROOT / 'models').glob('*.md')},
}
"""Where the site has a document of the repository."""
LINK = re.compile(r'(?<=\]\()(?!\w+:)([^)\s#]+)')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents."""
    for name, place in PLACES.items():
        text = (ROOT / name).read_text(encoding='utf-8')
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links as the repository has them into those of the site."""
    del config, files
    at = page.file.src_uri
    source = next((name for name, place in PLACES.items() if place == at), f'docs/{at}')

    def moved(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        place = PLACES.get(target, target.removeprefix('docs/'))
        return posixpath.relpath(place, posixpath.dirname(at) or '.')

    return LINK.sub(moved, markdown)
