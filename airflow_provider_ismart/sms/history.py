"""What earlier tries handed over -> which rows of a plan are still to be sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from airflow_provider_ismart.sms.ledger import HANDED_OVER, Entry, Ledger, State
from airflow_provider_ismart.sms.plan import Group, Plan
from airflow_provider_ismart.sms.report import Outcome

#: What a row is put down as whose message is on record in a state, and why.
_PUT_DOWN_AS = {
    State.ACCEPTED: (Outcome.ALREADY_SENT, "accepted in an earlier try"),
    State.SUBMITTING: (Outcome.ALREADY_SENT, "another task is handing it over"),
    State.UNCERTAIN: (Outcome.UNCERTAIN, "an earlier try did not learn whether it was accepted"),
}


def unsent(
    plan: Plan, ledger: Ledger, *, resend_uncertain: bool = False, replaces_texts: bool = True
) -> Iterable[Group]:
    """Return what nobody has been handed yet; put down what became of the other rows.

    A number is handed at most as many messages as the plan has rows for it: where ``replaces_texts``, a message
    on record whose text the plan does not have any more, for it was changed between two tries, stands for one
    of the number's rows. Where a ledger holds several sends that know nothing of each other it cannot.
    """
    recorded = ledger.recorded({plan.msisdns[row] for row in plan.rows})
    if not recorded:
        return plan.groups
    states = {
        msisdn: {(entry.digest, entry.copy): entry.state for entry in entries if entry.state in HANDED_OVER}
        for msisdn, entries in recorded.items()
    }
    replaced = _replaced_texts(plan, recorded) if replaces_texts else {}
    left = []
    for group in plan.groups:
        key = (group.message.digest, group.copy)
        rows = []
        for row in group.rows:
            msisdn = plan.msisdns[row]
            state = states.get(msisdn, {}).get(key)
            others = replaced.get(msisdn)
            if state is None and others:
                outcome, reason = _PUT_DOWN_AS[others.pop()]
                plan.outcomes.set([row], outcome, reason=f"{reason}, with another text")
                continue
            if state is not None:
                outcome, reason = _PUT_DOWN_AS[state]
                plan.outcomes.set([row], outcome, reason=reason)
            if state is None or (state is State.UNCERTAIN and resend_uncertain):
                rows.append(row)
        if rows:
            left.append(replace(group, rows=rows))
    return left


def _replaced_texts(plan: Plan, recorded: Mapping[str, Sequence[Entry]]) -> dict[str, list[State]]:
    """Return by number what was handed over in texts that the plan does not have for it any more."""
    planned: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for group in plan.groups:
        for row in group.rows:
            planned[plan.msisdns[row]].add((group.message.digest, group.copy))
    return {
        msisdn: [
            entry.state
            for entry in entries
            if entry.state in HANDED_OVER and (entry.digest, entry.copy) not in planned[msisdn]
        ]
        for msisdn, entries in recorded.items()
    }
