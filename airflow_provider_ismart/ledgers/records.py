"""Keep the records of a stored ledger: keyed hashes of numbers, and the outcome of each call.

Hashes only obscure the numbers: anyone who can read the ledger and its key can test every number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from secrets import token_bytes
from struct import unpack
from typing import NamedTuple, TypeVar

from airflow_provider_ismart.core.batching import Batch
from airflow_provider_ismart.core.ledger import Entry, State, with_entry
from airflow_provider_ismart.core.settlement import SettledGroup

#: 72 bits: the probability that two of a hundred million numbers have the same hash is one in a million.
HASH_BYTES = 9
KEY_BYTES = 32

_COUNTED_AS = {State.CONFIRMED: State.ACCEPTED, State.RULED_OUT: State.NOT_SENT}


_Name = TypeVar("_Name", bound=Hashable)


class Call(NamedTuple):
    """A call as stored: an entry, a hash of the whole call, and the packed hashes of its numbers."""

    entry: Entry
    fingerprint: bytes
    hashes: bytes

    @property
    def size(self) -> int:
        """How many phone numbers the call has."""
        return len(self.hashes) // HASH_BYTES


@lru_cache
def shared_entry(digest: str, copy: int, state: str, by: str = "", *, same_text_only: bool = False) -> Entry:
    """Return an entry from a cache, because most calls of a send share the same one."""
    return Entry(digest=digest, copy=copy, state=State(state), by=by, same_text_only=same_text_only)


class Records:
    """Look up the calls of a ledger by the hashes of their numbers.

    The hashes stay packed, at about ten bytes per number. A later try recognises a repeated call by its
    fingerprint, without hashing every number.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._keyed = blake2b(key=key, digest_size=HASH_BYTES)
        # columns of plain values, because one object per call would slow down garbage collection
        self._entries: list[Entry] = []
        self._fingerprints: list[bytes] = []
        self._hashes: list[bytes] = []
        #: The sender of each accepted call, by the call's fingerprint.
        self._accepted: dict[bytes, str] = {}
        self._found: set[bytes] = set()

    def __bool__(self) -> bool:
        return bool(self._entries)

    def hashes(self, msisdns: Iterable[str]) -> list[bytes]:
        """Return the hashes of the numbers, in order."""
        key = self._key
        return [blake2b(msisdn.encode(), key=key, digest_size=HASH_BYTES).digest() for msisdn in msisdns]

    def fingerprint(self, batch: Batch) -> bytes:
        """Return a hash of the text and numbers of a call."""
        content = f"{batch.copy},{','.join(batch.msisdns)}\0{batch.message.text}"
        keyed = self._keyed.copy()
        keyed.update(content.encode())
        return keyed.digest()

    def call(self, batch: Batch, state: State) -> Call:
        """Return a batch as it is stored."""
        return Call(
            entry=Entry(digest=batch.message.digest, copy=batch.copy, state=state),
            fingerprint=self.fingerprint(batch),
            hashes=b"".join(self.hashes(batch.msisdns)),
        )

    def settled_call(self, group: SettledGroup) -> Call:
        """Return settled messages as they are stored, with a random fingerprint, so that no call matches it."""
        return Call(
            entry=group.entry, fingerprint=token_bytes(HASH_BYTES), hashes=b"".join(self.hashes(group.msisdns))
        )

    def add(self, call: Call) -> None:
        """Add a recorded call. Add calls in the order in which they were made."""
        entry, fingerprint, hashes = call
        self._entries.append(entry)
        self._fingerprints.append(fingerprint)
        self._hashes.append(hashes)
        if entry.state is State.ACCEPTED:
            self._accepted[fingerprint] = entry.by

    def accepted_by(self, batch: Batch) -> str | None:
        """Return the sender of exactly this call if it was accepted; ``""`` means this task."""
        if not self._accepted or (fingerprint := self.fingerprint(batch)) not in self._accepted:
            return None
        self._found.add(fingerprint)
        return self._accepted[fingerprint]

    def recorded(self, msisdns: Collection[str]) -> Mapping[str, Sequence[Entry]]:
        """Return the entries of numbers that have any, except entries of calls that :meth:`accepted_by` found."""
        if not self or not msisdns:
            return {}
        return self.recorded_by_hash(dict(zip(self.hashes(msisdns), msisdns, strict=True)))

    def recorded_by_hash(self, wanted: Mapping[bytes, _Name]) -> Mapping[_Name, Sequence[Entry]]:
        """Return the same for hashes of numbers; ``wanted`` maps each hash to its key in the result."""
        found: dict[_Name, tuple[Entry, ...]] = {}
        for entry, fingerprint, hashes in zip(self._entries, self._fingerprints, self._hashes, strict=True):
            if fingerprint in self._found:
                continue
            alone = (entry,)  # most numbers have one entry, shared by the numbers of a call
            for hash_ in wanted.keys() & split_hashes(hashes):
                others = found.get(wanted[hash_])
                found[wanted[hash_]] = alone if others is None else with_entry(others, entry)
        return found

    def history(self, msisdns: Collection[str]) -> Mapping[str, Sequence[Entry]]:
        """Return all entries of the numbers that have any, oldest first."""
        wanted = dict(zip(self.hashes(msisdns), msisdns, strict=True))
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry, hashes in zip(self._entries, self._hashes, strict=True):
            for hash_ in wanted.keys() & split_hashes(hashes):
                found[wanted[hash_]].append(entry)
        return found

    def states(self) -> dict[State, int]:
        """Count this task's messages by state. Settled messages count as accepted or not sent."""
        entries: dict[bytes, tuple[Entry, ...]] = {}
        for entry, hashes in zip(self._entries, self._hashes, strict=True):
            for hash_ in split_hashes(hashes):
                entries[hash_] = with_entry(entries.get(hash_, ()), entry)
        counted = (entry.state for found in entries.values() for entry in found if not entry.by)
        return dict(Counter(_COUNTED_AS.get(state, state) for state in counted))


def split_hashes(packed: bytes) -> tuple[bytes, ...]:
    """Split packed hashes."""
    return unpack(f"{HASH_BYTES}s" * (len(packed) // HASH_BYTES), packed)
