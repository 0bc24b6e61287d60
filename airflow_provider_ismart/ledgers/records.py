"""What a stored ledger remembers: keyed hashes in place of numbers, and the last state of each message.

A hash keeps numbers out of sight, not out of reach: who can read a ledger and its key can try a number on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b

from airflow_provider_ismart.sms.ledger import HANDED_OVER, Entry, State

#: 72 bits: of a hundred million numbers, two have the same hash with a probability of one in a million.
HASH_BYTES = 9
KEY_BYTES = 32


class Records:
    """The entries of a ledger by hashed number."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._entries: dict[bytes, tuple[Entry, ...]] = {}

    def hashes(self, msisdns: Iterable[str]) -> list[bytes]:
        """Return the numbers' hashes, in their order."""
        key = self._key
        return [blake2b(msisdn.encode(), key=key, digest_size=HASH_BYTES).digest() for msisdn in msisdns]

    def add(self, hashes: Iterable[bytes], entry: Entry) -> None:
        """Put down the entry for all of ``hashes``, in place of what they had of the same message.

        What is uncertain stays so when it was sent again in vain: that says nothing of the time before.
        """
        alone = (entry,)  # most numbers have one entry, which those of a call share
        for hash_ in hashes:
            others = self._entries.get(hash_)
            self._entries[hash_] = alone if others is None else _followed_by(others, entry)

    def recorded(self, msisdns: Collection[str]) -> Mapping[str, Sequence[Entry]]:
        """Return the entries of those of the numbers that have any."""
        if not self._entries:
            return {}
        found = zip(msisdns, map(self._entries.get, self.hashes(msisdns)), strict=True)
        return {msisdn: entries for msisdn, entries in found if entries}

    def states(self) -> dict[State, int]:
        """Return how many entries there are in which state."""
        return dict(Counter(entry.state for entries in self._entries.values() for entry in entries))


def _followed_by(entries: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    of_message = [other for other in entries if (other.digest, other.copy) == (entry.digest, entry.copy)]
    if entry.state not in HANDED_OVER and any(other.state is State.UNCERTAIN for other in of_message):
        return entries
    return (*(other for other in entries if other not in of_message), entry)


def split_hashes(packed: bytes) -> list[bytes]:
    """Take apart what ``b"".join`` has made of hashes."""
    return [packed[start : start + HASH_BYTES] for start in range(0, len(packed), HASH_BYTES)]
