"""Takes a body of JSON apart, without ever making objects of all that is in it.

The objects that Python makes of a body may need thirty times its bytes. So it is looked through as
bytes, by a compiled decoder that keeps nothing but where the wanted values stand; a list is then
read in blocks of bytes, or one value after the other.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

Body = bytes | bytearray
Content = Body | memoryview

LONGEST_VALUE = 64_000
"""Bytes that one observation may have, as a value of a list, a body or a line of CSV."""

_LONGEST_QUOTED = 8_000_000
_NO_JSON = (
    (b"NaN", b'"NaN"'),
    (b"Infinity", b'"Infinity"'),
    (b'-"Infinity"', b'"-Infinity"'),
)
_SPACE = re.compile(r"[ \t\n\r]*")
_NEXT = re.compile(r"[ \t\n\r]*([,\]])[ \t\n\r]*")
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


class Malformed(ValueError):
    """What is read is no JSON, or one of its values is too long."""


class Fields:
    """Finds fields of an object.

    Parameters
    ----------
    *names : str
        The fields that are wanted.
    others : bool, default True
        Whether the object may have other fields, which are left out.
    """

    def __init__(self, *names: str, others: bool = True) -> None:
        self._names = {f"f{number}": name for number, name in enumerate(names)}
        struct = msgspec.defstruct(
            "_Object",
            [(field, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for field in self._names],
            rename=self._names,
            forbid_unknown_fields=not others,
        )
        self._decode = msgspec.json.Decoder(struct).decode

    def find(self, content: Content) -> dict[str, memoryview]:
        """Return the fields that are there, each as the bytes of its value.

        Raises
        ------
        Malformed
            If the content is no JSON.
        TypeError
            If it is no object, or has other fields that it may not have.
        """
        try:
            found = self._decode(content)
        except msgspec.ValidationError as error:
            raise TypeError(str(error)) from None
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Malformed(str(error)) from None
        values = zip(self._names.values(), msgspec.structs.astuple(found), strict=True)
        return {name: memoryview(value) for name, value in values if value is not msgspec.UNSET}


def quote_what_is_no_number(body: Content) -> Content:
    """Return a body with its NaN and infinities as strings, so that what holds them can be named.

    A byte order mark is taken off. A long body is left as it is: the place of its fault is told.
    """
    content = memoryview(body)
    if bytes(content[: len(codecs.BOM_UTF8)]) == codecs.BOM_UTF8:
        content = content[len(codecs.BOM_UTF8) :]
    if len(content) > _LONGEST_QUOTED:
        return content
    quoted = bytes(content)
    for word, string in _NO_JSON:
        quoted = quoted.replace(word, string)
    return quoted


def is_list(content: memoryview) -> bool:
    """Tell if a value is a list."""
    return bytes(content[:1]) == b"["


def is_object(content: memoryview) -> bool:
    """Tell if a value is an object."""
    return bytes(content[:1]) == b"{"


def count(content: memoryview, *characters: bytes) -> int:
    """Return how often any of some characters is there."""
    blocks = (
        bytes(content[start : start + LONGEST_VALUE])
        for start in range(0, len(content), LONGEST_VALUE)
    )
    return sum(block.count(character) for block in blocks for character in characters)


def values(content: memoryview, start: int = 1) -> Iterator[Any]:
    """Yield the values of a list one by one.

    Parameters
    ----------
    content : memoryview
        A list, from its bracket to its bracket.
    start : int, default 1
        Where to begin: behind the first bracket, or behind a comma between two values.

    Raises
    ------
    Malformed
        If a value is no JSON, or has more than `LONGEST_VALUE` bytes.
    """
    while True:
        # One byte is one character, whatever is in strings: those are read again.
        window = str(content[start : start + LONGEST_VALUE], "latin-1")
        is_plain = window.isascii()
        begin = at = _skip_space(window)
        if start == 1 and window[at : at + 1] == "]":
            return
        while True:
            try:
                value, end = _scan(window, at)
            except (StopIteration, ValueError, RecursionError):
                break
            found = _NEXT.match(window, end)
            if found is None:
                break
            yield value if is_plain else _read(window[at:end].encode("latin-1"))
            if found[1] == "]":
                return
            at = found.end()
        if at == begin:
            raise Malformed(
                f"must have {LONGEST_VALUE} bytes at most"
                if start + len(window) < len(content)
                else "must be JSON"
            )
        start += at


def _skip_space(window: str) -> int:
    found = _SPACE.match(window)
    return found.end() if found else 0


def _read(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Malformed(f"must be JSON: {error}") from None
