# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the README and the documents name: commands, links, anchors and paths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import functools
from pathlib import Path
import re
import shlex
import subprocess

from support.paths import ROOT

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ('*.md', 'docs/*.md', 'models/*.md')
    for path in ROOT.glob(pattern)
)
FENCE = re.compile(r'^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
OPERATORS = frozenset(('&', '&&', ';', '|', '||'))


@dataclass(frozen=True)
class Command:
    """A command line of a page, without what it sets in the environment."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f'{self.page}: {shlex.join(self.words)}'


@functools.cache
def text_of(page: str) -> str:
    """Return a page."""
    return (ROOT / page).read_text(encoding='utf-8')


def prose_of(page: str) -> str:
    """Return a page without its blocks of code."""
    return FENCE.sub('', text_of(page))


def spans_of(page: str) -> list[str]:
    """List what stands between backquotes in the prose, each on one line."""
    return [' '.join(span.split()) for span in re.findall(r'`([^`]+)`', prose_of(page))]


def commands() -> list[Command]:
    """List the command lines of all blocks of shell code."""
    return [
        Command(page, words)
        for page in PAGES
        for language, code in FENCE.findall(text_of(page))
        if language == 'bash'
        for words in split(code)
    ]


def split(code: str) -> Iterator[tuple[str, ...]]:
    """Give the words of each command of a shell script that has neither loops nor redirections."""
    for line in code.replace('\\\n', ' ').splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars='&;|')
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ';']:
            if word not in OPERATORS:
                words.append(word)
                continue
            while words and re.match(r'\w+=', words[0]):
                del words[0]
            if words:
                yield tuple(words)
            words = []


def links_of(page: str) -> list[tuple[str, str]]:
    """List the file, relative to the root, and the anchor of each link within the repository."""
    found = []
    for target in re.findall(r'\]\((?!\w+:)([^)\s]+)\)', prose_of(page)):
        name, _, anchor = target.partition('#')
        path = (ROOT / page).parent / name if name else ROOT / page
        found.append((path.resolve().relative_to(ROOT).as_posix(), anchor))
    return found


def anchors_of(page: str) -> set[str]:
    """Return the anchors of the headings, as the forges make them."""
    headings = re.findall(r'^#+ (.+)$', prose_of(page), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', one.lower()).replace(' ', '-') for one in headings}


@functools.cache
def tracked() -> frozenset[str]:
    """Return the files and folders of the repository, relative to its root."""
    listed = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split('\0')  # fmt: skip
    files = [Path(name) for name in listed if name and (ROOT / name).exists()]
    folders = {parent.as_posix() for path in files for parent in path.parents}
    return frozenset(folders | {path.as_posix() for path in files})


def paths_of(page: str) -> list[str]:
    """List the names between backquotes that look like files or folders of the repository."""
    tops = {name for name in tracked() if '/' not in name and (ROOT / name).is_dir()}
    found = []
    for span in spans_of(page):
        for word in span.split():
            is_below = '/' in word and word.partition('/')[0] in tops
            is_module = re.fullmatch(r'\w+\.py', word)
            if (is_below or is_module) and not re.search(r'[{}<>=$]', word):
                found.append(word.rstrip('/,'))
    return found


def is_there(path: str) -> bool:
    """Tell whether a path, a pattern, or the mere name of a module is in the repository."""
    if '/' not in path:
        return any(one.rpartition('/')[2] == path for one in tracked())
    return path in tracked() or ('*' in path and any(ROOT.glob(path)))
