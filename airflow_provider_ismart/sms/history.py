"""What earlier tries handed over -> which rows of a plan are still to be sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_provider_ismart.sms.ledger import HANDED_OVER, Entry, Ledger, State
from airflow_provider_ismart.sms.plan import Group, Plan
from airflow_provider_ismart.sms.report import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """What is left of a plan: ``groups`` to be sent, and those that an earlier try ``abandoned`` in mid-call."""

    groups: list[Group]
    abandoned: list[Group]


def remainder(plan: Plan, ledger: Ledger, *, resend_uncertain: bool) -> Remainder:
    """Return the rows that nobody has been handed yet; put down what became of the others.

    A number is handed at most as many messages as the plan has rows for it. So a message on record whose text
    is no longer in the plan, for it was changed between two tries, stands for one of the number's rows.
    """
    recorded = ledger.recorded({plan.msisdns[row] for group in plan.groups for row in group.rows})
    if not recorded:
        return Remainder(groups=plan.groups, abandoned=[])
    exact = {
        msisdn: {(entry.digest, entry.copy): entry.state for entry in entries if entry.state in HANDED_OVER}
        for msisdn, entries in recorded.items()
    }
    changed = _changed_texts(plan, recorded)
    left = Remainder(groups=[], abandoned=[])
    for group in plan.groups:
        key = (group.message.digest, group.copy)
        again: list[int] = []
        abandoned: list[int] = []
        for row in group.rows:
            msisdn = plan.msisdns[row]
            state = exact.get(msisdn, {}).get(key)
            if state is State.SUBMITTING:
                abandoned.append(row)
            if state is None and changed[msisdn]:
                _put_down(
                    plan, row, changed[msisdn].pop(), "another text was already handed over to this number"
                )
            elif state is None or (resend_uncertain and state is not State.ACCEPTED):
                again.append(row)
            else:
                _put_down(plan, row, state, "handed over by an earlier try")
        left.groups.extend([replace(group, rows=again)] if again else [])
        left.abandoned.extend([replace(group, rows=abandoned)] if abandoned else [])
    return left


def _changed_texts(plan: Plan, recorded: Mapping[str, Sequence[Entry]]) -> dict[str, list[State]]:
    """Return by number what was handed over in texts that the plan does not have for it any more."""
    planned: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for group in plan.groups:
        for row in group.rows:
            planned[plan.msisdns[row]].add((group.message.digest, group.copy))
    return defaultdict(
        list,
        {
            msisdn: [
                entry.state
                for entry in entries
                if entry.state in HANDED_OVER and (entry.digest, entry.copy) not in planned[msisdn]
            ]
            for msisdn, entries in recorded.items()
        },
    )


def _put_down(plan: Plan, row: int, state: State, reason: str) -> None:
    outcome = Outcome.ALREADY_SENT if state is State.ACCEPTED else Outcome.UNCERTAIN
    plan.outcomes.set([row], outcome, reason=reason)
