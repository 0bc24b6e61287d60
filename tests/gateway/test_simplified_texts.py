"""Test ``simplify_text``, and the possible saving that a send without it reports."""

import logging

import pandas
import pytest

from airflow_provider_ismart.core.ledger import MemoryLedger
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.sending.options import SendOptions
from airflow_provider_ismart.sending.send import Send

LONG = "Your bill is due on Thursday – please don’t forget to pay it before the end of the day."
PLAIN = "Your bill is due on Thursday - please don't forget to pay it before the end of the day."
SAVES_TWO = {"credits": 2, "characters": ["– (U+2013)", "’ (U+2019)"]}
SAID = "simplify_text=True would save 2 credits: – (U+2013), ’ (U+2019)"


def received(sandbox):
    return {message.msisdn: (message.text, message.lang, message.parts) for message in sandbox.messages}


def test_recipients_get_plain_characters_for_fewer_credits(send, ismart_sandbox, numbers):
    report = send(numbers(2), LONG, simplify_text=True)
    assert received(ismart_sandbox) == dict.fromkeys(numbers(2), (PLAIN, 0, 1))
    assert (report["parts"], report["simplify_text_saves"]) == (2, None)


def test_without_the_option_texts_are_unchanged_and_the_report_has_the_possible_saving(
    send, ismart_sandbox, numbers
):
    report = send(numbers(2), LONG)
    assert received(ismart_sandbox) == dict.fromkeys(numbers(2), (LONG, 64, 2))
    assert (report["parts"], report["simplify_text_saves"]) == (4, SAVES_TWO)


def test_a_dry_run_reports_the_possible_saving(send, ismart_sandbox, numbers):
    report = send([*numbers(2), numbers(1)[0], "nobody"], LONG, dry_run=True)
    assert report["simplify_text_saves"] == SAVES_TWO
    assert send(numbers(2), LONG, dry_run=True, simplify_text=True)["samples"][0]["text"] == PLAIN
    assert not ismart_sandbox.calls


@pytest.mark.parametrize("lang", ["arabic", "english"])
def test_no_saving_is_reported_if_the_language_is_forced(lang, send, numbers):
    text = LONG if lang == "arabic" else PLAIN * 2
    assert send(numbers(2), text, lang=lang)["simplify_text_saves"] is None


def test_the_log_has_the_possible_saving_but_no_text(client, ismart_sandbox, numbers, caplog):
    log = logging.getLogger("a task's")
    with caplog.at_level(logging.INFO, log.name):
        Send(numbers(2), SendOptions.of(message=LONG), client(), log).run(MemoryLedger())
        Send(numbers(2), SendOptions.of(message=LONG, dry_run=True), client(), log).preview()
        Send(numbers(2), SendOptions.of(message=LONG, simplify_text=True), client(), log).run(MemoryLedger())
    said = [record.getMessage() for record in caplog.records]
    assert said.count(SAID) == 2
    assert "Thursday" not in caplog.text


def test_each_personal_text_is_simplified(send, ismart_sandbox, numbers):
    frame = pandas.DataFrame({"msisdn": numbers(3), "name": ["O’Neill", "زينب", "Zoe"]})
    send(frame, "{name}’s bill", simplify_text=True)
    assert received(ismart_sandbox) == dict(
        zip(numbers(3), [("O'Neill's bill", 0, 1), ("زينب’s bill", 64, 1), ("Zoe's bill", 0, 1)], strict=True)
    )


def test_each_text_of_a_message_column_is_simplified(send, ismart_sandbox, numbers):
    rows = [{"msisdn": number, "text": text} for number, text in zip(numbers(2), ["It’s", "It's"], strict=True)]
    report = send(rows, None, message_column="text", simplify_text=True)
    assert received(ismart_sandbox) == dict.fromkeys(numbers(2), ("It's", 0, 1))
    assert report["calls"] == 1


def test_texts_for_recipients_in_files_are_also_simplified(send, ismart_sandbox, numbers, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(f"msisdn,name\n{numbers(1)[0]},O’Neill\n", encoding="utf-8")
    report = send(path, "Dear {name}…", simplify_text=True)
    assert received(ismart_sandbox) == {numbers(1)[0]: ("Dear O'Neill...", 0, 1)}
    path.write_text("\n".join(["msisdn", *numbers(2)]), encoding="utf-8")
    report = send(path, LONG, dry_run=True)
    assert report["simplify_text_saves"] == SAVES_TWO


def test_the_hook_also_simplifies(ismart_default, ismart_sandbox, numbers):
    ismart_default()
    ISmartHook().send(numbers(1), LONG, simplify_text=True)
    assert received(ismart_sandbox) == {numbers(1)[0]: (PLAIN, 0, 1)}
