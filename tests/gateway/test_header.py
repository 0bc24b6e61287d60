"""Test the sender id, a parameter of each call if the connection has one."""

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ismart.exceptions import ISmartAccountError, ISmartInputError
from airflow_provider_ismart.hooks.ismart import ISmartHook


def test_each_call_has_the_header(ismart_default, ismart_sandbox, send, numbers):
    ismart_default(extra={"header": "My Bank-1"})
    ismart_sandbox.configure(headers=["My Bank-1"])
    send(numbers(60))
    assert [message.header for message in ismart_sandbox.messages] == ["My Bank-1"] * 60
    assert ISmartHook().probe() == 9


def test_calls_without_a_header_omit_the_parameter(ismart_sandbox, send, numbers, batch):
    send(numbers(1))
    assert [message.header for message in ismart_sandbox.messages] == [None]
    assert "Header" not in ISmartHook().build_url(batch())


def test_a_url_shows_the_header(ismart_default, batch):
    ismart_default(extra={"header": "My Bank"})
    assert ISmartHook().build_url(batch()).endswith("&Header=My%20Bank")


def test_an_unregistered_header_stops_the_send_and_the_error_names_the_extra(
    ismart_default, ismart_sandbox, send, numbers
):
    ismart_sandbox.configure(headers=["MyBank"])
    ismart_default(extra={"header": "mybank"})  # case matters
    with pytest.raises(ISmartAccountError, match="connection's extra header") as error:
        send(numbers(60))
    assert error.value.code == 19
    assert len(ismart_sandbox.calls) == 1


@pytest.mark.parametrize(
    "value", [" ", "TwelveLetter", "بنك", "Caf\u00e9", "a+b", "a/b", "a\nb", "two\ttabs", 968, ["MyBank"], True]
)
def test_an_invalid_header_is_refused_with_the_rule(value, ismart_default, ismart_sandbox):
    ismart_default(extra={"header": value})
    with pytest.raises(ISmartInputError, match="the connection's extra 'header'") as error:
        ISmartHook().send(["96890000001"], "Hello")
    assert isinstance(error.value, AirflowFailException)
    if isinstance(value, str):
        assert "second-hand" in str(error.value)
    assert not ismart_sandbox.calls


def test_the_query_length_includes_the_header(ismart_default, ismart_sandbox, send, numbers):
    ismart_default(extra={"header": "MyBank & Co", "max_query_length": 512})
    ismart_sandbox.configure(max_query_length=512)
    report = send(numbers(50))
    assert report["calls"] == report["planned_calls"]
    assert len(ismart_sandbox.messages) == 50


def test_an_address_outside_oman_stops_the_send(ismart_sandbox, send, numbers):
    ismart_sandbox.configure(client_in_oman=False)
    with pytest.raises(ISmartAccountError, match="outside Oman") as error:
        send(numbers(60))
    assert error.value.code == 21
    assert len(ismart_sandbox.calls) == 1
