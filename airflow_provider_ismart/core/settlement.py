"""Record a person's findings about uncertain messages.

The person edits the outcomes in a results file, or lists numbers with ``accepted`` or ``not_sent``. Each line
settles one uncertain message to its number, and only once: if the message is sent again and is uncertain again,
the line does not apply to the new call.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from airflow_provider_ismart.core.batching import MAX_BATCH_SIZE
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.ledger import MAYBE_SENT, SETTLED, Entry, State, with_entry
from airflow_provider_ismart.core.msisdn import mask_msisdn
from airflow_provider_ismart.core.report import counted

#: How many wrong lines an error lists.
MAX_LINES_SHOWN = 5

#: How many numbers a warning lists.
MAX_NUMBERS_SHOWN = 3


class Finding(Enum):
    """What a person found out about a message."""

    ACCEPTED = "accepted"
    NOT_SENT = "not_sent"


_STATE_OF = {Finding.ACCEPTED: State.CONFIRMED, Finding.NOT_SENT: State.RULED_OUT}
_FINDING_OF = {state: finding for finding, state in _STATE_OF.items()}


class SettledGroup(NamedTuple):
    """A settled message and up to 50 of its numbers. The entry's state is CONFIRMED or RULED_OUT."""

    entry: Entry
    msisdns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The messages that a try settles, and their counts by finding.

    ``still_uncertain`` has the masked numbers whose lines settled earlier messages, but not the uncertain ones.
    """

    groups: tuple[SettledGroup, ...]
    counts: Mapping[Finding, int]
    still_uncertain: tuple[str, ...] = ()

    def as_json(self) -> dict[str, int]:
        """Return the counts as plain JSON values."""
        return {finding.value: self.counts.get(finding, 0) for finding in Finding}

    @property
    def described(self) -> str:
        """The counts, for the log; empty if nothing is settled."""
        counts = ", ".join(f"{count:,} {finding.value}" for finding, count in self.counts.items())
        return f"Settled by settlements_path: {counts}" if counts else ""

    @property
    def warning(self) -> str:
        """A request to settle numbers that are still uncertain, for the log; empty if there are none."""
        if not (again := self.still_uncertain):
            return ""
        shown = ", ".join(again[:MAX_NUMBERS_SHOWN]) + (", …" if len(again) > MAX_NUMBERS_SHOWN else "")
        return (
            f"Numbers still uncertain, because their lines in settlements_path settled earlier messages: "
            f"{len(again):,} ({shown}). Add one more line per uncertain message"
        )


NOTHING_SETTLED = Settlement(groups=(), counts={})


class WrongLineError(Exception):
    """A line of a settlement file is wrong. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlements:
    """The lines of a settlement file that settle messages: line number and finding, by phone number."""

    by_number: Mapping[str, Sequence[tuple[int, Finding]]] = field(default_factory=dict)

    def decide(self, history: Mapping[str, Sequence[Entry]]) -> Settlement:
        """Return what these lines settle.

        :param history: each number's entries, oldest first.
        :raises InputError: a message to settle is not uncertain; the error lists the lines.
        """
        msisdns: dict[Entry, list[str]] = defaultdict(list)
        counts: Counter[Finding] = Counter()
        still_uncertain: list[str] = []
        wrong: list[str] = []
        for msisdn, lines in self.by_number.items():
            entries = history.get(msisdn, ())
            messages = _messages(entries)
            try:
                finding, settled = _match(lines, messages, entries)
            except WrongLineError as why:
                wrong.append(f"{line_numbers(lines)} ({mask_msisdn(msisdn)}): {why}")
                continue
            if finding is None:
                if any(message.is_uncertain for message in messages):
                    still_uncertain.append(mask_msisdn(msisdn))
                continue
            counts[finding] += len(settled)
            for message in settled:
                digest, copy = message.key
                msisdns[Entry(digest=digest, copy=copy, state=_STATE_OF[finding])].append(msisdn)
        raise_if(wrong)
        return Settlement(groups=tuple(_groups(msisdns)), counts=counts, still_uncertain=tuple(still_uncertain))


NO_SETTLEMENTS = Settlements()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """The records of a message to a number. ``key`` is its digest and copy number."""

    key: tuple[str, int]
    is_own: bool
    state: State
    was_ruled_out: bool

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
    senders = ["", *(entry.by for entry in entries if entry.state not in SETTLED)]
    return _Message(
        key=key,
        is_own=not senders[-1],
        state=latest[-1].state,
        was_ruled_out=any(entry.state is State.RULED_OUT for entry in entries),
    )


def _match(
    lines: Sequence[tuple[int, Finding]], messages: Sequence[_Message], entries: Sequence[Entry]
) -> tuple[Finding | None, Sequence[_Message]]:
    """Return the finding that is not on record yet, if any, and the messages that it settles.

    These are messages of this task or, if none of them is uncertain, of all tasks that share the ledger.
    """
    said = Counter(finding for _, finding in lines)
    own = [message for message in messages if message.is_own]
    for among in (own, messages):
        new = said - _settled(entries, among)
        if not new:
            return None, ()
        if len(new) > 1:
            raise WrongLineError("has accepted and not_sent lines, but a line does not say which message it means")
        [(finding, count)] = new.items()
        open_messages = _open_messages(among, finding)
        if len(open_messages) == count:
            return finding, open_messages
        if open_messages:
            raise WrongLineError(
                f"{_messages_are(len(open_messages))} uncertain, so write "
                f"{counted(len(open_messages), 'such line')}, not {count:,}"
            )
    if any(message.state is State.SUBMITTING for message in messages):
        raise WrongLineError(
            "another task has an open call to this number; if that task is dead, run `ledger release` for it first"
        )
    raise WrongLineError("no message to this number is uncertain; remove the line")


def _settled(entries: Sequence[Entry], among: Sequence[_Message]) -> Counter[Finding]:
    """Count the recorded findings about these messages, and those that this task recorded about others."""
    keys = {message.key for message in among}
    return Counter(
        _FINDING_OF[entry.state]
        for entry in entries
        if entry.state in SETTLED and (not entry.by or (entry.digest, entry.copy) in keys)
    )


def _open_messages(messages: Sequence[_Message], finding: Finding) -> list[_Message]:
    """Return the uncertain messages or, to correct a mistake, those settled as not sent and not sent since."""
    uncertain = [message for message in messages if message.is_uncertain]
    if uncertain or finding is not Finding.ACCEPTED:
        return uncertain
    return [message for message in messages if message.was_ruled_out and message.state not in MAYBE_SENT]


def _messages_are(count: int) -> str:
    return "1 message to this number is" if count == 1 else f"{count:,} messages to this number are"


def line_numbers(lines: Sequence[tuple[int, Finding]]) -> str:
    """Return the line numbers for an error message."""
    numbers = [str(number) for number, _ in lines]
    return f"line{'s' * (len(numbers) > 1)} {', '.join(numbers)}"


def _groups(msisdns: Mapping[Entry, Sequence[str]]) -> Iterator[SettledGroup]:
    for entry, found in msisdns.items():
        for start in range(0, len(found), MAX_BATCH_SIZE):
            yield SettledGroup(entry, tuple(found[start : start + MAX_BATCH_SIZE]))


def raise_if(wrong: Sequence[str]) -> None:
    """Raise an error that lists wrong lines, if there are any.

    :raises InputError: there are.
    """
    if wrong:
        more = f"; and {len(wrong) - MAX_LINES_SHOWN:,} more" if len(wrong) > MAX_LINES_SHOWN else ""
        raise InputError(
            "settlements_path is invalid, so nothing was settled or sent: "
            f"{'; '.join(wrong[:MAX_LINES_SHOWN])}{more}. Correct the file"
        )
