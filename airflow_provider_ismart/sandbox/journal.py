"""What the gateway accepted: the ground truth of a test, in memory and as JSON lines in a file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, Self

from .gateway import Submission

_to_json: Final = json.JSONEncoder(ensure_ascii=False).encode
#: JSON leaves these as they are, but `str.splitlines` takes them for the end of a line.
_LINE_ENDS: Final = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What the messages of one accepted call have in common."""

    #: The number of the call that brought them.
    call: int
    #: ISO date-time, UTC.
    accepted_at: str
    #: As of acceptance: whether the ``PushDateTime`` was still to come.
    state: Literal["sent", "scheduled"]
    #: As the handset shows it.
    text: str
    lang: int
    flash: bool
    #: ISO date-time, Oman's time; ``None`` where the call named none.
    push_at: str | None
    #: ``PushDateTime`` as it was sent.
    push_date_time: str | None
    #: ``Header``, the sender id, as it was sent.
    header: str | None
    parts: int

    def as_json(self) -> dict[str, Any]:
        """Give the fields as JSON types, which they are already."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Message(Delivery):
    """One accepted message to one number."""

    #: Unlike any other, in later runs of the sandbox too.
    id: str
    msisdn: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """The messages of one accepted call, unexpanded: calls come far oftener than they are read."""

    id_prefix: str
    mobile_no: str
    delivery: Delivery

    @classmethod
    def of(cls, submission: Submission, *, run: str, call: int) -> Self:
        """Make the batch of an accepted call, the n-th of a run."""
        push_at = submission.push_at
        delivery = Delivery(
            call=call,
            accepted_at=submission.now.isoformat(),
            state="scheduled" if push_at and push_at > submission.now else "sent",
            text=submission.text,
            lang=int(submission.parameters["Lang"]),
            flash=submission.flash == "Y",
            push_at=push_at.isoformat() if push_at else None,
            push_date_time=submission.push_date_time,
            header=submission.header,
            parts=submission.parts,
        )
        return cls(id_prefix=f"{run}-{call}-", mobile_no=submission.mobile_no, delivery=delivery)

    @property
    def msisdns(self) -> list[str]:
        """Its numbers, one message each."""
        return self.mobile_no.split(",")

    def messages(self) -> Iterator[Message]:
        """Give its messages, one per number."""
        common = self.delivery.as_json()
        for id_, msisdn in self._ids():
            yield Message(id=id_, msisdn=msisdn, **common)

    def json_lines(self) -> str:
        """Give its messages as JSON lines; what they have in common is serialised once."""
        rest = _to_json(self.delivery.as_json())[1:].translate(_LINE_ENDS)
        return "".join(f'{{"id": "{id_}", "msisdn": "{msisdn}", {rest}\n' for id_, msisdn in self._ids())

    def _ids(self) -> Iterator[tuple[str, str]]:
        return ((f"{self.id_prefix}{n}", msisdn) for n, msisdn in enumerate(self.msisdns, start=1))


class JournalFile:
    """A file of JSON lines that is complete at every moment, whoever is killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.append("")  # a path that cannot be written is reported now, not at the first message

    def append(self, lines: str) -> None:
        """Append lines and hand them to the operating system."""
        with self._path.open("ab") as file:
            file.write(lines.encode())
