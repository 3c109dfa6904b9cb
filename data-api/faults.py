"""Faults on request, to test how a client of this server handles them."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from covertype.contract import COLUMNS, GROUPS, SOIL_TYPE

ERROR = "error"
TIMEOUT = "timeout"

_BAD_EVERY = 10
"""Faults within rows change one row in so many; the others stay valid."""


def _malformed(answer: bytes) -> bytes:
    return answer[: len(answer) // 2]


def _empty(answer: bytes) -> bytes:
    return json.dumps(json.loads(answer) | {"data": []}).encode()


def _in_rows(spoil: Callable[[list[str]], list[str]]) -> Callable[[bytes], bytes]:
    def spoiled(answer: bytes) -> bytes:
        body = json.loads(answer)
        body["data"][::_BAD_EVERY] = map(spoil, body["data"][::_BAD_EVERY])
        return json.dumps(body).encode()

    return spoiled


def _without_last(row: list[str]) -> list[str]:
    return row[:-1]


def _unknown_soil(row: list[str]) -> list[str]:
    soil = COLUMNS.index(SOIL_TYPE.name)
    return [*row[:soil], "C0000", *row[soil + 1 :]]


SPOILERS: dict[str, Callable[[bytes], bytes]] = {
    "malformed": _malformed,
    "empty": _empty,
    "columns": _in_rows(_without_last),
    "soil": _in_rows(_unknown_soil),
}
"""How each kind of fault changes a valid response."""

KINDS = (ERROR, TIMEOUT, *SPOILERS)
"""Every kind: status 500, no response at all, and changes of a valid response."""


@dataclass(frozen=True)
class Fault:
    """The share of one group's requests, or of all requests (None), that get this fault."""

    kind: str
    share: float
    group: int | None


@dataclass(frozen=True)
class Faults:
    """The requested faults; a request gets at most one of them."""

    faults: tuple[Fault, ...]

    @classmethod
    def parse(cls, text: str) -> "Faults":
        """Read faults from text such as `error:0.1,timeout@3:0.5`; `""` asks for none.

        Raises
        ------
        ValueError
            If the text is not such a list, or a group's shares add up to more than 1.
        """
        faults = tuple(_parse(part.strip()) for part in text.split(",") if part.strip())
        for group in GROUPS:
            total = sum(fault.share for fault in faults if fault.group in (None, group))
            if total > 1 + 1e-9:
                raise ValueError(f"the shares of group {group} come to {total:g}, more than 1")
        return cls(faults)

    def draw(self, group: int) -> str | None:
        """Return the kind of fault for this request of `group`, or None."""
        point = random.random()  # noqa: S311 (chance, not secrecy)
        for fault in self.faults:
            if fault.group in (None, group):
                if point < fault.share:
                    return fault.kind
                point -= fault.share
        return None


def _parse(part: str) -> Fault:
    name, _, share_text = part.partition(":")
    kind, at, group_text = name.partition("@")
    try:
        share = float(share_text)
        group = int(group_text) if at else None
    except ValueError:
        share, group = -1.0, None
    if kind not in KINDS or not 0 <= share <= 1 or (group is not None and group not in GROUPS):
        raise ValueError(
            f"{part!r} is not kind:share or kind@group:share, with a kind of {', '.join(KINDS)}, "
            f"a share from 0 to 1 and a group from {GROUPS[0]} to {GROUPS[-1]}"
        )
    return Fault(kind, share, group)
