# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Input that is refused in one line: by a command, or by a UserError."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import re

from depthforge_ros.errors import UserError
import pytest

ErrorOf = Callable[..., str]
"""The fixture `error_of`: runs a command with these words, and returns its error."""
PROGRESS = re.compile(r'\.\.\.$|\d\d:\d\d|^(depthforge: (warning|no points):|engine|skipped) ')
"""What a command may say on stderr before its error."""


def error_line(
    capsys: pytest.CaptureFixture[str], main: Callable[[list[str]], int], *words: object
) -> str:
    """Run a command that refuses its input; returns the one line that it ends with."""
    capsys.readouterr()
    assert main([str(one) for one in words]) == 2
    *progress, line = capsys.readouterr().err.strip().splitlines()
    assert [one for one in progress if one.strip() and not PROGRESS.search(one)] == []
    assert re.match('depthforge(-train)?: error: ', line)
    return line


@contextmanager
def refused(*words: str) -> Iterator[None]:
    """Expect a UserError of one line with all of these words."""
    with pytest.raises(UserError) as caught:
        yield
    text = str(caught.value)
    assert '\n' not in text, text
    assert all(word in text for word in words), text
