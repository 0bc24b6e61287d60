"""Track the messages of a try that sends several times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from airflow_provider_ismart.core.ledger import Entry, State
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.plan import Plan

#: The digest and copy number of a message.
MessageKey = tuple[str, int]

_STATE_OF = {
    Outcome.ACCEPTED: State.ACCEPTED,
    Outcome.ALREADY_SENT: State.ACCEPTED,
    Outcome.UNCERTAIN: State.UNCERTAIN,
}


class Attempt:
    """Track one try of a task that sends several times, such as a function that calls ``hook.send`` in a loop.

    A message is one text to one number. Each message that earlier tries sent replaces one message of this try, so
    that over all tries a number gets at most as many messages as one try requests.
    """

    def __init__(self) -> None:
        self._states: dict[str, dict[MessageKey, State]] = defaultdict(dict)
        self._matched: dict[str, set[MessageKey]] = defaultdict(set)

    def state(self, msisdn: str, key: MessageKey) -> State | None:
        """Return the state of a message that an earlier send of this try sent, or may have sent."""
        return self._states[msisdn].get(key) if msisdn in self._states else None

    def match(self, msisdn: str, key: MessageKey) -> None:
        """Record that this message of an earlier try replaces one of this try's messages."""
        self._matched[msisdn].add(key)

    def unmatched(self, msisdn: str, entries: Mapping[MessageKey, Entry]) -> dict[MessageKey, Entry]:
        """Return the earlier tries' messages that do not yet replace one of this try's messages."""
        matched = self._matched.get(msisdn, set())
        return {key: entry for key, entry in entries.items() if key not in matched}

    def record(self, plan: Plan) -> None:
        """Record the outcomes of a send of this try, row by row."""
        for group in plan.groups:
            key = (group.message.digest, group.copy)
            for row, msisdn in group.numbers:
                if state := _STATE_OF.get(plan.outcomes[row]):
                    self._states[msisdn][key] = state
