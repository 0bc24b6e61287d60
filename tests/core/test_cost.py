"""Test the cost of a try before its first call: only the remaining rows count."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.batching import batches
from airflow_provider_ismart.core.cost import Cost, Share
from airflow_provider_ismart.core.dispatch import Submission
from airflow_provider_ismart.core.ledger import MemoryLedger
from tests.core.scripted import (
    UNCERTAIN,
    ScriptedGateway,
    limits,
    numbers,
    plan_of_rows,
    run,
    send,
)
from tests.core.strategies import rows

A, B, C = numbers(3)
TWO_PARTS = "x" * 200


@given(st.lists(rows, max_size=30), st.booleans(), st.integers(1, 50))
def test_the_cost_of_any_batches_adds_up(cases, deduplicate, batch_size):
    planned = plan_of_rows([(written, text) for (written, _), text in cases], deduplicate=deduplicate)
    cost = Cost.of(batches(planned.groups, limits(batch_size)))
    by_text = Counter()
    for group in planned.groups:
        by_text[group.message] += len(list(group.numbers))
    assert (cost.credits, cost.recipients) == (planned.parts, by_text.total())
    largest = sorted((message.parts * count for message, count in by_text.items()), reverse=True)
    assert [share.credits for share in cost.largest] == largest[:3]
    assert all(share.credits == share.parts * share.recipients for share in cost.largest)


@given(st.lists(rows, max_size=20), st.integers(0, 20), st.booleans())
def test_the_planned_cost_is_the_actual_cost_if_nothing_is_refused(cases, sent_before, resend):
    pairs = [(written, text) for (written, _), text in cases]
    ledger = MemoryLedger()
    send(plan_of_rows(pairs[:sent_before]), ScriptedGateway.saying(UNCERTAIN), ledger=ledger, batch_size=3)
    submission = Submission(plan_of_rows(pairs), ledger, limits(3), resend_uncertain=resend)
    cost = submission.planned_cost()
    run(submission, ScriptedGateway())
    assert submission.parts == cost.credits


def test_a_later_try_counts_only_the_remaining_rows():
    ledger = MemoryLedger()
    send(plan_of_rows([(A, "Hello"), (B, TWO_PARTS)]), ScriptedGateway(), ledger=ledger)
    again = Submission(plan_of_rows([(A, "Hello"), (B, TWO_PARTS), (C, TWO_PARTS)]), ledger, limits())
    assert again.planned_cost() == Cost(credits=2, recipients=1, largest=(Share(2, 2, 1),))


def test_the_error_has_figures_but_no_texts_or_numbers():
    planned = plan_of_rows([(A, "Hello"), (B, "Hello"), (C, TWO_PARTS), (A, "Bye"), (B, "One more")])
    assert Cost.of(batches(planned.groups, limits())).above(5) == (
        "max_credits is 5, but the messages to send cost 6 credits for 5 recipients. "
        "The most expensive: 2 parts to 1 recipient; 1 part to 2 recipients; 1 part to 1 recipient"
    )
