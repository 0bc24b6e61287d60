"""Settle uncertain messages with what a person found out about them.

The person edits the outcomes in a results file, or lists numbers with ``accepted`` or ``not_sent``. Each such line
settles one uncertain message to its number, once: if the message is sent again and is uncertain again, the same
line says nothing about the new call.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from airflow_provider_ismart.core.batching import MAX_BATCH_SIZE
from airflow_provider_ismart.core.columns import is_name
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.ledger import Entry, State, with_entry
from airflow_provider_ismart.core.msisdn import InvalidNumberError, canonical_msisdn, is_missing, mask_msisdn
from airflow_provider_ismart.core.numbering import NumberingPlan
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.report import counted
from airflow_provider_ismart.core.return_codes import ACCEPTED_CODE

#: How many wrong lines an error names.
MAX_LINES_SHOWN = 5

#: How many numbers a warning names.
MAX_NUMBERS_SHOWN = 3

_OUTCOMES = frozenset(outcome.value for outcome in Outcome)


class Finding(Enum):
    """What a person found out about a message."""

    ACCEPTED = "accepted"
    NOT_SENT = "not_sent"


_STATE_OF = {Finding.ACCEPTED: State.CONFIRMED, Finding.NOT_SENT: State.RULED_OUT}
_SETTLED = frozenset(_STATE_OF.values())


class Line(NamedTuple):
    """A line of a settlement file: its number in the file, and its cells. Only a results file has return codes."""

    number: int
    msisdn: Any
    outcome: Any
    return_code: Any = None
    is_from_results_file: bool = False


class SettledGroup(NamedTuple):
    """A settled message and at most 50 of its numbers. The entry's state is CONFIRMED or RULED_OUT."""

    entry: Entry
    msisdns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The messages that a try settles, and their counts by finding.

    ``still_uncertain`` has the numbers, masked, whose lines settled earlier messages and not the uncertain ones.
    """

    groups: tuple[SettledGroup, ...]
    counts: Mapping[Finding, int]
    still_uncertain: tuple[str, ...] = ()

    def as_json(self) -> dict[str, int]:
        """Return the counts as plain JSON values."""
        return {finding.value: self.counts.get(finding, 0) for finding in Finding}

    @property
    def described(self) -> str:
        """The counts, for a log; empty if nothing is settled."""
        counts = ", ".join(f"{count:,} {finding.value}" for finding, count in self.counts.items())
        return f"Settled by settlements_path: {counts}" if counts else ""

    @property
    def warning(self) -> str:
        """What a person has to do about numbers that are still uncertain; empty if there are none."""
        if not (again := self.still_uncertain):
            return ""
        shown = ", ".join(again[:MAX_NUMBERS_SHOWN]) + (", …" if len(again) > MAX_NUMBERS_SHOWN else "")
        return (
            f"Numbers still uncertain, because their lines in settlements_path settled earlier messages: "
            f"{len(again):,} ({shown}). Add one line per message that is uncertain now"
        )


NOTHING_SETTLED = Settlement(groups=(), counts={})


class _WrongLineError(Exception):
    """Lines say something that cannot be settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlements:
    """The lines of a settlement file that settle something, by number. :meth:`of` reads them."""

    by_number: Mapping[str, Sequence[tuple[int, Finding]]] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[Line], numbering: NumberingPlan) -> Settlements:
        """Read lines. In a results file, lines with an outcome that the send wrote itself settle nothing.

        :raises InputError: lines cannot be read; the text names them.
        """
        by_number: dict[str, list[tuple[int, Finding]]] = defaultdict(list)
        wrong: list[str] = []
        for line in lines:
            try:
                if finding := _finding(line):
                    by_number[_msisdn(line.msisdn, numbering)].append((line.number, finding))
            except _WrongLineError as why:
                wrong.append(f"line {line.number}: {why}")
        _raise_if(wrong)
        return cls(by_number=by_number)

    def decide(self, history: Mapping[str, Sequence[Entry]]) -> Settlement:
        """Return what these lines settle, given each number's entries, oldest first.

        :raises InputError: lines settle something else than uncertain messages; the text names them.
        """
        msisdns: dict[Entry, list[str]] = defaultdict(list)
        counts: Counter[Finding] = Counter()
        still_uncertain: list[str] = []
        wrong: list[str] = []
        for msisdn, lines in self.by_number.items():
            messages = _messages(history.get(msisdn, ()))
            try:
                finding, settled = _match(lines, messages)
            except _WrongLineError as why:
                wrong.append(f"{_line_numbers(lines)} ({mask_msisdn(msisdn)}): {why}")
                continue
            if finding is None:
                if any(message.is_uncertain for message in messages):
                    still_uncertain.append(mask_msisdn(msisdn))
                continue
            counts[finding] += len(settled)
            for message in settled:
                digest, copy = message.key
                msisdns[Entry(digest=digest, copy=copy, state=_STATE_OF[finding])].append(msisdn)
        _raise_if(wrong)
        return Settlement(groups=tuple(_groups(msisdns)), counts=counts, still_uncertain=tuple(still_uncertain))


NO_SETTLEMENTS = Settlements()


def _finding(line: Line) -> Finding | None:
    """Return what a line says about its message; ``None`` if it leaves it as it is."""
    word = line.outcome.strip().lower() if isinstance(line.outcome, str) else ""
    is_unedited = word in _OUTCOMES and (word != Finding.ACCEPTED.value or _is_answered(line))
    if word == Outcome.UNCERTAIN.value or (line.is_from_results_file and is_unedited):
        return None
    try:
        return Finding(word)
    except ValueError:
        shown = repr(line.outcome) if is_name(line.outcome) else f"a text of {len(str(line.outcome))} characters"
        said = "blank" if is_missing(line.outcome) or not str(line.outcome).strip() else shown
        raise _WrongLineError(f"its outcome is {said}; write accepted or not_sent") from None


def _is_answered(line: Line) -> bool:
    """Whether the send itself recorded the row as accepted, because the gateway answered so."""
    # pandas writes an integer column with blanks as floats
    return str(line.return_code).strip() in {f"{ACCEPTED_CODE}", f"{ACCEPTED_CODE}.0"}


def _msisdn(cell: Any, numbering: NumberingPlan) -> str:
    try:
        return canonical_msisdn(cell, numbering)
    except InvalidNumberError as why:
        raise _WrongLineError(f"number: {why}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """What is on record of a message to a number. ``key`` is its digest and copy number.

    ``settled`` counts its settlements by state: it can be sent again after one, and be uncertain again.
    """

    key: tuple[str, int]
    is_own: bool
    state: State
    settled: Counter[State]

    @property
    def is_uncertain(self) -> bool:
        return self.state is State.UNCERTAIN


def _messages(entries: Sequence[Entry]) -> list[_Message]:
    by_key: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        by_key[entry.digest, entry.copy].append(entry)
    return [_message(key, of_message) for key, of_message in by_key.items()]


def _message(key: tuple[str, int], entries: Sequence[Entry]) -> _Message:
    latest: tuple[Entry, ...] = ()
    for entry in entries:
        latest = with_entry(latest, entry)
    senders = ["", *(entry.by for entry in entries if entry.state not in _SETTLED)]
    return _Message(
        key=key,
        is_own=not senders[-1],
        state=latest[-1].state,
        settled=Counter(entry.state for entry in entries if entry.state in _SETTLED),
    )


def _match(
    lines: Sequence[tuple[int, Finding]], messages: Sequence[_Message]
) -> tuple[Finding | None, Sequence[_Message]]:
    """Return what the lines say that is not on record yet, and the messages that it settles.

    These are the task's own or, if none of those is uncertain, those of all tasks that it shares the ledger with.
    """
    said = Counter(finding for _, finding in lines)
    own = [message for message in messages if message.is_own]
    for among in (own, messages):
        settled = sum((message.settled for message in among), Counter[State]())
        new = {finding: more for finding in said if (more := said[finding] - settled[_STATE_OF[finding]]) > 0}
        if not new:
            return None, ()
        if len(new) > 1:
            raise _WrongLineError("has accepted and not_sent lines, and a line does not name its message")
        [(finding, count)] = new.items()
        uncertain = [message for message in among if message.is_uncertain]
        if len(uncertain) == count:
            return finding, uncertain
        if uncertain:
            raise _WrongLineError(
                f"{_messages_are(len(uncertain))} uncertain, so write {counted(len(uncertain), 'such line')}, "
                f"not {count:,}"
            )
    if any(message.state is State.SUBMITTING for message in messages):
        raise _WrongLineError(
            "another task's call to this number is open; if that task is dead, run `ledger release` for it first"
        )
    raise _WrongLineError("no message to this number is uncertain")


def _messages_are(count: int) -> str:
    return "1 message to this number is" if count == 1 else f"{count:,} messages to this number are"


def _line_numbers(lines: Sequence[tuple[int, Finding]]) -> str:
    numbers = [str(number) for number, _ in lines]
    return f"line{'s' * (len(numbers) > 1)} {', '.join(numbers)}"


def _groups(msisdns: Mapping[Entry, Sequence[str]]) -> Iterator[SettledGroup]:
    for entry, found in msisdns.items():
        for start in range(0, len(found), MAX_BATCH_SIZE):
            yield SettledGroup(entry, tuple(found[start : start + MAX_BATCH_SIZE]))


def _raise_if(wrong: Sequence[str]) -> None:
    if wrong:
        more = f"; and {len(wrong) - MAX_LINES_SHOWN:,} more" if len(wrong) > MAX_LINES_SHOWN else ""
        raise InputError(
            "settlements_path is invalid, so nothing was settled or sent: "
            f"{'; '.join(wrong[:MAX_LINES_SHOWN])}{more}. Correct the file"
        )
