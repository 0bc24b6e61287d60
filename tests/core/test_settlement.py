"""Test what the lines of a settlement file settle, given the records."""

import pytest

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.ledger import Entry, State
from airflow_provider_ismart.core.numbering import OMAN
from airflow_provider_ismart.core.settlement_lines import Line, read_settlement_lines

NUMBER = "96890000001"
UNCERTAIN, ACCEPTED, CONFIRMED, RULED_OUT = State.UNCERTAIN, State.ACCEPTED, State.CONFIRMED, State.RULED_OUT


def entry(state, text="a", by=""):
    return Entry(digest=text, copy=0, state=state, by=by)


def settle(words, *entries):
    """Return what lines with these words settle for one number, as (text, state)."""
    lines = [Line(at, NUMBER, word) for at, word in enumerate(words.split(), 2)]
    settlement = read_settlement_lines(lines, OMAN).decide({NUMBER: entries})
    return [(group.entry.digest, group.entry.state) for group in settlement.groups], settlement.still_uncertain


@pytest.mark.parametrize(
    ("words", "entries", "settled"),
    [
        ("accepted", [entry(UNCERTAIN)], [("a", CONFIRMED)]),
        ("not_sent", [entry(UNCERTAIN)], [("a", RULED_OUT)]),
        ("not_sent", [entry(ACCEPTED), entry(UNCERTAIN, "b")], [("b", RULED_OUT)]),
        ("not_sent not_sent", [entry(UNCERTAIN), entry(UNCERTAIN, "b")], [("a", RULED_OUT), ("b", RULED_OUT)]),
        ("not_sent not_sent", [entry(UNCERTAIN), entry(RULED_OUT), entry(UNCERTAIN)], [("a", RULED_OUT)]),
        ("accepted", [entry(UNCERTAIN), entry(RULED_OUT), entry(UNCERTAIN)], [("a", CONFIRMED)]),
        ("not_sent", [entry(UNCERTAIN, by="another task")], [("a", RULED_OUT)]),
        ("not_sent", [entry(UNCERTAIN, by="another task"), entry(UNCERTAIN, "b")], [("b", RULED_OUT)]),
        # a mistake can be corrected until the message is sent
        ("accepted", [entry(UNCERTAIN), entry(RULED_OUT)], [("a", CONFIRMED)]),
        # sending it again failed, which proves nothing about the first call
        ("not_sent", [entry(UNCERTAIN), entry(State.NOT_SENT)], [("a", RULED_OUT)]),
    ],
)
def test_lines_settle_the_uncertain_messages_to_their_number(words, entries, settled):
    assert settle(words, *entries) == (settled, ())


@pytest.mark.parametrize(
    ("words", "entries"),
    [
        ("not_sent", [entry(UNCERTAIN), entry(RULED_OUT), entry(UNCERTAIN)]),
        ("accepted", [entry(UNCERTAIN), entry(CONFIRMED), entry(UNCERTAIN, "b")]),
        ("not_sent", [entry(RULED_OUT), entry(UNCERTAIN)]),  # the first call was pruned
        # another task sent what this task had settled
        (
            "not_sent",
            [entry(UNCERTAIN), entry(RULED_OUT), entry(ACCEPTED, by="another task"), entry(UNCERTAIN, "b")],
        ),
    ],
)
def test_a_line_settles_only_one_message(words, entries):
    assert settle(words, *entries) == ([], ("968******01",))


@pytest.mark.parametrize(
    ("words", "entries", "why"),
    [
        ("accepted", [], "no message to this number is uncertain; remove the line"),
        ("accepted", [entry(ACCEPTED)], "no message to this number is uncertain; remove the line"),
        ("not_sent", [entry(State.REFUSED)], "no message to this number is uncertain; remove the line"),
        ("not_sent", [entry(State.SUBMITTING, by="another task")], "run `ledger release` for it first"),
        (
            "not_sent accepted",
            [entry(UNCERTAIN), entry(UNCERTAIN, "b")],
            "a line does not say which message it means",
        ),
        ("not_sent", [entry(UNCERTAIN), entry(UNCERTAIN, "b")], "so write 2 such lines, not 1"),
        (
            "accepted uncertain",
            [entry(ACCEPTED), entry(UNCERTAIN, "b")],
            "line 3 .*: uncertain, but line 2 of the",
        ),
        (
            "accepted",
            [
                entry(UNCERTAIN),
                entry(UNCERTAIN, "b"),
                entry(UNCERTAIN, "c", "another task"),
                entry(CONFIRMED, "c", "another task"),
            ],
            "2 messages to this number are uncertain, so write 2 such lines, not 1",
        ),
    ],
)
def test_lines_that_do_not_match_an_uncertain_message_are_refused(words, entries, why):
    with pytest.raises(InputError, match=why):
        settle(words, *entries)


def test_an_error_lists_the_first_lines_and_counts_the_others():
    lines = [Line(at, NUMBER, "delivered") for at in range(2, 12)]
    with pytest.raises(InputError, match=r"line 6: .*; and 5 more\. Correct"):
        read_settlement_lines(lines, OMAN)
