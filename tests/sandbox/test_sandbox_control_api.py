import json

import pytest


def test_messages_can_be_read_and_filtered_by_number(ismart_sandbox, get, send):
    send(MobileNo="96890000001,96890000002", Lang="64", Message="مرحبا")
    status, headers, body = get("/_sandbox/messages")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert [message["msisdn"] for message in json.loads(body)] == ["96890000001", "96890000002"]
    (found,) = json.loads(get("/_sandbox/messages?msisdn=96890000002")[2])
    assert found["text"] == "مرحبا"
    assert found == ismart_sandbox.messages[1].as_json()
    assert json.loads(get("/_sandbox/messages?msisdn=96890000003")[2]) == []


def test_calls_show_request_and_answer_but_never_a_password(ismart_sandbox, get, target, send):
    send(Password="hunter2", MobileNo="96890000001,96890000002")
    body = get("/_sandbox/calls")[2]
    (call,) = json.loads(body)
    assert (call["number"], call["code"], call["fault"], call["numbers"], call["accepted"]) == (
        1,
        3,
        None,
        2,
        0,
    )
    assert call["query_length"] == len(
        target(Password="hunter2", MobileNo="96890000001,96890000002").partition("?")[2]
    )
    assert call["client_port"] > 0
    assert call["at"].endswith("+00:00")
    assert "hunter2" not in body
    assert ismart_sandbox.password not in get("/_sandbox/account")[2]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("credit", 7),
        ("expires_at", "2030-12-31T23:59:00+04:00"),
        ("credit_expires_at", None),
        ("company_exists", False),
        ("active", False),
        ("http_get_enabled", False),
        ("header_registered", False),
        ("ip_allowed", False),
        ("locked", True),
        ("failed_logins", 2),
        ("max_failed_logins", 5),
        ("probe_sees_credit", False),
        ("opted_out", ["96890000001"]),
        ("bad_numbers", ["96890000001", "96890000002"]),
        ("max_query_length", 2048),
        ("latency", 0.5),
    ],
)
def test_every_setting_can_be_changed_and_read_back(get, setting, value):
    before = json.loads(get("/_sandbox/account")[2])
    status, _, body = get("/_sandbox/account", "PATCH", json.dumps({setting: value}))
    assert status == 200
    assert json.loads(body) == before | {setting: value}
    assert json.loads(get("/_sandbox/account")[2]) == before | {setting: value}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("balance", 7),
        ("credit", "7"),
        ("credit", -1),
        ("credit", True),
        ("credit", None),
        ("expires_at", "tomorrow"),
        ("expires_at", 1735689600),
        ("active", 1),
        ("max_failed_logins", 0),
        ("opted_out", "96890000001"),
        ("bad_numbers", [96890000001]),
        ("max_query_length", 0),
        ("latency", -0.5),
    ],
)
def test_an_invalid_setting_is_named_and_nothing_changes(ismart_sandbox, get, setting, value):
    before = ismart_sandbox.account
    status, _, body = get("/_sandbox/account", "PATCH", json.dumps({"header_registered": False, setting: value}))
    assert status == 400
    assert repr(setting) in json.loads(body)["error"]
    assert ismart_sandbox.account == before


@pytest.mark.parametrize("body", ["", "{", "[]", "\xff", "[" * 100_000], ids=lambda body: body[:3])
def test_a_body_that_is_not_an_object_is_refused(get, body):
    status, _, answer = get("/_sandbox/account", "PATCH", body)
    assert status == 400
    assert "body must be" in json.loads(answer)["error"]


def test_reset_restores_the_initial_state(ismart_sandbox, get, send):
    pristine = ismart_sandbox.account
    send()
    first_id = ismart_sandbox.messages[0].id
    ismart_sandbox.configure(credit=1, locked=True, max_query_length=1)
    get("/_sandbox/faults", "POST", json.dumps({"fault": "hang"}))
    assert get("/_sandbox/reset", "POST")[0] == 204
    assert ismart_sandbox.account == pristine
    assert ismart_sandbox.messages == []
    assert ismart_sandbox.calls == []
    assert json.loads(get("/_sandbox/faults")[2]) == []
    assert send() == "1"
    assert ismart_sandbox.calls[0].number == 1
    assert ismart_sandbox.messages[0].id != first_id


def test_requests_to_the_control_api_are_not_calls(ismart_sandbox, get):
    get("/_sandbox/messages")
    get("/_sandbox/nothing-here")
    assert ismart_sandbox.calls == []
