# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The one exception that a user's input can cause."""

from collections.abc import Iterable
import difflib
import math

OF_MEMORY = (
    *('not enough memory', "can't allocate memory", 'out of memory', 'outofmemory'),
    *('alloc_failed', 'insufficient memory'),
)
"""Words, in small letters, of errors about a shortage of memory."""
MAX_CHARACTERS = 1000
"""Of one line; a message from outside may hold millions."""


class UserError(ValueError):
    """
    Wrong input from outside: a file, a message, a parameter or a checkpoint.

    Its text is one line that says what came, what was expected and what to do. Commands print it
    and exit with 2; the node counts the frame under `reason` and goes on.
    """

    def __init__(self, message: str, *, reason: str = 'bad_input') -> None:
        super().__init__(message)
        self.reason = reason


def is_of_memory(error: BaseException) -> bool:
    """Tell whether memory lacked; most libraries only say so in words."""
    words = repr(error).lower()
    return isinstance(error, MemoryError) or any(one in words for one in OF_MEMORY)


def one_line(error: BaseException) -> str:
    """Say what went wrong; errors that are not the user's carry their type."""
    text = str(error) if isinstance(error, UserError) else f'{type(error).__name__}: {error}'
    line = ' '.join(text.split())
    return line if len(line) <= MAX_CHARACTERS else f'{line[:MAX_CHARACTERS]} ...'


def joined(*reasons: str | None) -> str | None:
    """Join what is wrong into one line; None where nothing is."""
    return '; '.join(one for one in reasons if one) or None


def require_above_0(value: float, words: str) -> None:
    """Refuse a number that is not above 0 and finite, in words such as `rate 0 Hz`."""
    if not 0.0 < value < math.inf:
        raise UserError(f'{words}: it must be a number above 0')


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, or list them all."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    return f'did you mean {near[0]}?' if near else f'known: {", ".join(names)}'
