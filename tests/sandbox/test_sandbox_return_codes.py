from datetime import datetime, timedelta

import pytest

from airflow_provider_ismart.sandbox import Code
from airflow_provider_ismart.sandbox.account import MUSCAT, InvalidSettingError

FIFTY = ",".join(f"9689000{n:04}" for n in range(50))
PAST = "2020-01-01T00:00:00+04:00"
FUTURE = "2999-01-01T00:00:00+04:00"


def test_a_good_call_is_pushed_and_recorded_once_per_number(ismart_sandbox, send):
    assert send(MobileNo="96890000001,96890000002", FLashSMS="Y") == "1"
    first, second = ismart_sandbox.messages
    assert (first.msisdn, second.msisdn) == ("96890000001", "96890000002")
    assert first.id != second.id
    assert (first.call, first.text, first.lang, first.flash, first.parts) == (
        1,
        "Your order is ready.",
        0,
        True,
        1,
    )
    assert (first.state, first.push_at, first.push_date_time) == ("sent", None, None)


def test_the_body_is_only_the_code_as_plain_text(get, target):
    status, headers, body = get(target())
    assert (status, headers["Content-Type"], body) == (200, "text/plain; charset=utf-8", "1")


def test_fifty_numbers_are_accepted_and_one_more_is_an_invalid_request(ismart_sandbox, send):
    assert send(MobileNo=FIFTY) == "1"
    assert send(MobileNo=FIFTY + ",96890000051") == "15"
    assert len(ismart_sandbox.messages) == 50


@pytest.mark.parametrize("missing", ["UserId", "Password"])
def test_a_call_without_a_login_is_an_invalid_request(ismart_sandbox, send, missing):
    assert send(**{missing: None}) == "15"


@pytest.mark.parametrize("name", ["UserId", "Password", "MobileNo", "Lang"])
def test_a_repeated_parameter_is_an_invalid_request(get, target, name):
    assert get(f"{target()}&{name}=0")[2] == "15"


@pytest.mark.parametrize("wrong", ["userid", "FlashSMS", "Mobileno", "header"])
def test_a_parameter_that_is_not_spelt_as_documented_is_an_invalid_request(get, target, wrong):
    assert get(f"{target()}&{wrong}=x")[2] == "15"


@pytest.mark.parametrize("message", ["%", "%4", "%zz", "%u0633", "100%", "%ff", "%d8", "%ed%a0%80"])
def test_an_undecodable_text_is_an_invalid_request(get, target, message):
    assert get(f"{target(Message=None)}&Message={message}")[2] == "15"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_methods_other_than_get_are_an_invalid_request(ismart_sandbox, get, target, method):
    assert get(target(), method, body="x")[2] == "15"
    assert ismart_sandbox.messages == []


def test_plus_and_escapes_are_decoded(ismart_sandbox, get, target):
    assert get(f"{target(Message=None, Lang='64')}&Message=a+b%20c%2B%D8%B3")[2] == "1"
    assert ismart_sandbox.messages[0].text == "a b c+س"


def test_an_unknown_user_id_and_a_wrong_password_have_different_codes(ismart_sandbox, send):
    assert send(UserId="nobody") == "17"
    assert send(UserId="Sandbox-User") == "17"
    assert send(Password="wrong") == "3"
    assert send(Password="") == "3"


def test_three_wrong_passwords_in_a_row_lock_the_account(ismart_sandbox, send):
    assert [send(Password="wrong") for _ in range(3)] == ["3", "3", "3"]
    assert send(Password="wrong") == "12"
    assert send() == "12"
    assert ismart_sandbox.account.locked
    assert ismart_sandbox.messages == []


def test_a_good_login_resets_the_count_even_if_the_call_is_refused(ismart_sandbox, send):
    answers = [
        send(Password=password, MobileNo="1") for password in ("no", "no", ismart_sandbox.password, "no", "no")
    ]
    assert answers == ["3", "3", "9", "3", "3"]
    assert send() == "1"
    assert ismart_sandbox.account.failed_logins == 0


def test_an_unknown_user_id_does_not_lock_the_account(send):
    assert [send(UserId="nobody") for _ in range(4)] == ["17"] * 4
    assert send() == "1"


def test_the_number_of_wrong_passwords_that_lock_is_a_setting(ismart_sandbox, send):
    ismart_sandbox.configure(max_failed_logins=1)
    assert send(Password="wrong") == "3"
    assert send() == "12"


def test_unlocking_resets_the_count(ismart_sandbox, send):
    for _ in range(3):
        send(Password="wrong")
    ismart_sandbox.configure(locked=False)
    assert send(Password="wrong") == "3"
    assert send() == "1"


ACCOUNT_CODES = [
    ({"company_exists": False}, Code.COMPANY_DOES_NOT_EXIST),
    ({"active": False}, Code.ACCOUNT_IS_INACTIVE),
    ({"expires_at": PAST}, Code.ACCOUNT_EXPIRED),
    ({"http_get_enabled": False}, Code.NOT_REGISTERED_FOR_HTTP_GET),
    ({"ip_allowed": False}, Code.CLIENT_IP_BLOCKED),
    ({"client_in_oman": False}, Code.CLIENT_OUTSIDE_OMAN),
    ({"header_registered": False}, Code.HEADER_NOT_REGISTERED),
    ({"credit_expires_at": PAST}, Code.CREDIT_EXPIRED),
]


@pytest.mark.parametrize(("settings", "code"), ACCOUNT_CODES)
def test_account_settings_also_apply_to_a_probe(ismart_sandbox, send, settings, code):
    ismart_sandbox.configure(**settings)
    assert send() == str(code)
    assert send(MobileNo="1") == str(code)
    assert send(Password="wrong") == "3"
    assert ismart_sandbox.messages == []


def test_the_first_of_several_account_codes_is_returned(ismart_sandbox, send):
    ismart_sandbox.configure(**{name: value for settings, _ in ACCOUNT_CODES for name, value in settings.items()})
    for settings, code in ACCOUNT_CODES:
        assert send() == str(code)
        ismart_sandbox.configure(**{name: None if value == PAST else True for name, value in settings.items()})
    assert send() == "1"


def test_a_header_is_recorded_and_must_be_registered_if_any_is(ismart_sandbox, send):
    assert send(Header="AnyBank") == "1"
    ismart_sandbox.configure(headers=["MyBank", "My Shop"])
    assert send(Header="My Shop") == "1"
    assert send() == "1"
    assert [send(Header=header) for header in ("mybank", "AnyBank", "")] == ["19"] * 3
    assert [message.header for message in ismart_sandbox.messages] == ["AnyBank", "My Shop", None]


def test_headers_are_a_list_of_texts(ismart_sandbox):
    with pytest.raises(InvalidSettingError, match="'headers': must be a list of sender ids as text"):
        ismart_sandbox.configure(headers="MyBank")


def test_an_account_that_has_not_expired_yet_works(ismart_sandbox, send):
    ismart_sandbox.configure(expires_at=FUTURE, credit_expires_at=FUTURE)
    assert send() == "1"


def test_an_expiry_without_an_offset_is_oman_time(ismart_sandbox, send):
    in_oman = datetime.now(MUSCAT).replace(tzinfo=None)
    ismart_sandbox.configure(expires_at=in_oman + timedelta(minutes=1))
    assert send() == "1"
    ismart_sandbox.configure(expires_at=in_oman - timedelta(minutes=1))
    assert send() == "13"


def test_a_call_costs_parts_times_numbers(ismart_sandbox, send):
    ismart_sandbox.configure(credit=10)
    assert send(Message="a" * 161, MobileNo="96890000001,96890000002") == "1"
    assert ismart_sandbox.account.credit == 6
    assert send(Message="a" * 307, MobileNo="96890000001,96890000002,96890000003") == "4"
    assert ismart_sandbox.account.credit == 6
    assert send(Message="a" * 307, MobileNo="96890000001,96890000002") == "1"
    assert ismart_sandbox.account.credit == 0
    assert send() == "4"
    assert len(ismart_sandbox.messages) == 4


def test_the_probe_proves_a_good_login_and_costs_nothing(ismart_sandbox, send):
    before = ismart_sandbox.account
    assert send(MobileNo="1") == "9"
    assert send(MobileNo="1", Message=None, Lang=None, FLashSMS=None) == "9"
    assert ismart_sandbox.account == before
    assert ismart_sandbox.messages == []


def test_whether_the_probe_sees_missing_credit_is_a_setting(ismart_sandbox, send):
    ismart_sandbox.configure(credit=0)
    assert send(MobileNo="1") == "4"
    ismart_sandbox.configure(probe_sees_credit=False)
    assert send(MobileNo="1") == "9"
    assert send() == "4"


@pytest.mark.parametrize("mobile_no", ["", None])
def test_a_missing_number_is_an_empty_mobile_number(send, mobile_no):
    assert send(MobileNo=mobile_no) == "8"


@pytest.mark.parametrize(
    "mobile_no",
    [
        "90000001",
        "968900000012",
        "+96890000001",
        "9689000000a",
        "٩٦٨٩٠٠٠٠٠٠١",
        " 96890000001",
        "96890000001\n",
        "96890000001,",
        ",96890000001",
        "96890000001, 96890000002",
        "96890000001;96890000002",
        "96890000001,90000002",
    ],
)
def test_one_invalid_number_refuses_the_whole_call(ismart_sandbox, send, mobile_no):
    assert send(MobileNo=mobile_no) == "9"
    assert ismart_sandbox.messages == []


@pytest.mark.parametrize(("setting", "code"), [("bad_numbers", "9"), ("opted_out", "23")])
def test_one_bad_or_opted_out_number_refuses_the_whole_call(ismart_sandbox, send, setting, code):
    ismart_sandbox.configure(**{setting: ["96890000002"]})
    assert send(MobileNo="96890000001,96890000002") == code
    assert ismart_sandbox.messages == []
    assert send(MobileNo="96890000001") == "1"


@pytest.mark.parametrize("message", ["", None, "  ", "\r\n"])
def test_an_empty_message_is_blank(send, message):
    assert send(Message=message) == "5"


@pytest.mark.parametrize("lang", ["", None, "1", "064", "en", "64 "])
def test_other_languages_are_invalid(send, lang):
    assert send(Lang=lang) == "10"


@pytest.mark.parametrize(("lang", "char", "longest"), [("0", "a", 765), ("64", "س", 335)])
def test_more_than_five_parts_are_too_long(ismart_sandbox, send, lang, char, longest):
    assert send(Lang=lang, Message=char * longest) == "1"
    assert ismart_sandbox.messages[0].parts == 5
    assert send(Lang=lang, Message=char * (longest + 1)) == "6"


@pytest.mark.parametrize(
    "moment",
    [
        "",
        "04/03/18 07:30:00",
        "2018-03-04 07:30:00",
        "31/12/2030 07:30:00",
        "02/30/2030 07:30:00",
        "3/4/2030 7:30:00",
        "03/04/2030 07:30",
        "03/04/2030 24:00:00",
        "03/04/2030 07:30:00 PM",
        "03/04/2030T07:30:00",
        "٠٣/04/2030 07:30:00",
    ],
)
def test_a_date_time_in_another_format_is_invalid(send, moment):
    assert send(PushDateTime=moment) == "16"


def test_a_future_message_is_recorded_as_scheduled_in_oman_time(ismart_sandbox, send):
    assert send(PushDateTime="03/04/2999 19:30:00") == "1"
    message = ismart_sandbox.messages[0]
    assert message.state == "scheduled"
    assert message.push_at == "2999-03-04T19:30:00+04:00"
    assert message.push_date_time == "03/04/2999 19:30:00"


def test_a_message_with_a_past_time_is_sent(ismart_sandbox, send):
    assert send(PushDateTime="03/04/2018 07:30:00") == "1"
    assert ismart_sandbox.messages[0].state == "sent"


@pytest.mark.parametrize("flash", ["", None, "y", "0", "true"])
def test_other_flash_values_are_refused(send, flash):
    assert send(FLashSMS=flash) == "22"


def test_the_text_is_recorded_as_the_phone_shows_it(ismart_sandbox, send):
    assert send(Lang="0", Message="Price: 5€ `سلام` 😀") == "1"
    assert send(Lang="64", Message="Price: 5€ `سلام` 😀") == "1"
    assert [message.text for message in ismart_sandbox.messages] == [
        "Price: 5€ ?????? ?",
        "Price: 5€ `سلام` 😀",
    ]


def test_validation_order_is_login_account_recipients_message_cost(ismart_sandbox, send):
    wrong = {
        "UserId": "nobody",
        "Password": "wrong",
        "MobileNo": "",
        "Message": "",
        "Lang": "7",
        "PushDateTime": "tomorrow",
        "FLashSMS": "?",
    }
    ismart_sandbox.configure(active=False, credit=0)
    answers = [send(**wrong)]
    answers.append(send(**(wrong := wrong | {"UserId": ismart_sandbox.user})))
    answers.append(send(**(wrong := wrong | {"Password": ismart_sandbox.password})))
    ismart_sandbox.configure(active=True)
    answers.append(send(**wrong))
    answers.append(send(**(wrong := wrong | {"MobileNo": "90000001," * 50})))
    answers.append(send(**(wrong := wrong | {"MobileNo": "90000001"})))
    answers.append(send(**(wrong := wrong | {"MobileNo": "96890000001"})))
    answers.append(send(**(wrong := wrong | {"Message": "a" * 800})))
    answers.append(send(**(wrong := wrong | {"Lang": "0"})))
    answers.append(send(**(wrong := wrong | {"Message": "a"})))
    answers.append(send(**(wrong := wrong | {"PushDateTime": None})))
    answers.append(send(**(wrong := wrong | {"FLashSMS": "N"})))
    assert answers == ["17", "3", "7", "8", "15", "9", "5", "10", "6", "16", "22", "4"]


@pytest.mark.parametrize("extra", [0, 1])
def test_a_query_string_over_the_limit_gets_404_before_the_application(ismart_sandbox, get, target, extra):
    path = target()
    ismart_sandbox.configure(max_query_length=len(path.partition("?")[2]) - extra)
    status, headers, body = get(path)
    if extra:
        assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert "404 - File or directory not found" in body
        assert ismart_sandbox.calls[0].fault == "query_too_long"
        assert ismart_sandbox.messages == []
    else:
        assert (status, body) == (200, "1")


def test_any_other_path_is_not_found(get):
    assert get("/iBulkSMS/HttpWS/SMSDynamicRefIntlAPI.aspx")[0] == 404
