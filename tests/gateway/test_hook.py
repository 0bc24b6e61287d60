"""Test the hook: sending, probing and building URLs through a connection."""

import json
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowNotFoundException

from airflow_provider_ismart.coordination import refused_login, variables
from airflow_provider_ismart.core.return_codes import RETURN_CODES
from airflow_provider_ismart.exceptions import ISmartCreditError, ISmartInputError, ISmartLoginError
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.sandbox import faults

pytestmark = pytest.mark.usefixtures("ismart_default")

CODES = [*sorted(RETURN_CODES.keys() - {9}), 0, 21, 99]


def test_creating_a_hook_makes_no_look_up_and_no_call(ismart_sandbox):
    ISmartHook("no such connection")
    assert not ismart_sandbox.calls


def test_creating_a_client_makes_no_call(ismart_sandbox):
    ISmartHook().get_conn().close()
    assert not ismart_sandbox.calls


def test_a_missing_connection_raises_airflows_own_error():
    with pytest.raises(AirflowNotFoundException, match="no_such_connection"):
        ISmartHook("no_such_connection").get_conn()


def test_a_send_returns_the_report_and_the_gateway_has_the_messages(ismart_sandbox, numbers):
    report = ISmartHook().send(numbers(120), "Your water is off on Monday.")
    assert sorted(message.msisdn for message in ismart_sandbox.messages) == numbers(120)
    assert (report["rows"], report["outcomes"]["accepted"], report["calls"]) == (120, 120, 3)
    assert json.loads(json.dumps(report)) == report


def test_send_accepts_language_flash_and_schedule(ismart_sandbox):
    ISmartHook().send(["96890000001"], "Hello", lang="arabic", flash=True, push_at="2090-01-31T14:30")
    (message,) = ismart_sandbox.messages
    assert (message.lang, message.flash, message.push_date_time) == (64, True, "01/31/2090 14:30:00")
    assert message.push_at == "2090-01-31T14:30:00+04:00"


def test_send_accepts_a_template_per_language(ismart_sandbox):
    rows = [{"msisdn": "96890000001", "lang": "ar"}, {"msisdn": "96890000002", "lang": "en-OM"}]
    report = ISmartHook().send(rows, {"ar": "مرحبا", "en": "Hello"}, language_column="lang")
    texts = {message.msisdn: message.text for message in ismart_sandbox.messages}
    assert texts == {"96890000001": "مرحبا", "96890000002": "Hello"}
    assert {name: counts["parts"] for name, counts in report["languages"].items()} == {"ar": 1, "en": 1}


def test_a_schedule_with_an_offset_is_converted_to_the_gateways_time(ismart_sandbox):
    ISmartHook().send(["96890000001"], "Hello", push_at="2090-01-31T23:30:00+00:00")
    assert ismart_sandbox.messages[0].push_date_time == "02/01/2090 03:30:00"


def test_the_extra_timezone_applies_to_times_without_an_offset(ismart_sandbox, ismart_default):
    ismart_default(extra={"timezone": "UTC"})
    ISmartHook().send(["96890000001"], "Hello", push_at="2090-01-31T23:30:00+00:00")
    assert ismart_sandbox.messages[0].push_date_time == "01/31/2090 23:30:00"


def test_the_extra_mobile_prefixes_decides_which_numbers_are_mobile(ismart_sandbox, ismart_default):
    ismart_default(extra={"country_code": "973", "mobile_prefixes": "3, 66"})
    report = ISmartHook().send(["36000001", "66000001", "+973 1700 0001", 20301231], "Hello")
    assert [message.msisdn for message in ismart_sandbox.messages] == ["97336000001", "97366000001"]
    assert report["reasons"] == {
        "number: not a mobile number: after the country code 973, mobile numbers start with 3 or 66": 2
    }


def test_the_extra_country_code_completes_local_numbers(ismart_sandbox, ismart_default):
    ismart_default(extra={"country_code": "971"})
    ISmartHook().send(["90000001"], "Hello")
    assert ismart_sandbox.messages[0].msisdn == "97190000001"


def test_a_failed_send_raises_the_operators_errors(ismart_sandbox):
    ismart_sandbox.configure(credit=0)
    with pytest.raises(ISmartCreditError, match="return code 4"):
        ISmartHook().send(["96890000001"], "Hello")


def test_a_hook_can_send_again_after_a_failed_send(ismart_sandbox):
    hook = ISmartHook()
    ismart_sandbox.configure(credit=0)
    with pytest.raises(ISmartCreditError):
        hook.send(["96890000001"], "Hello")
    ismart_sandbox.configure(credit=10)
    hook.send(["96890000001"], "Hello")
    assert len(ismart_sandbox.messages) == 1


def test_a_halted_hook_sends_nothing(ismart_sandbox):
    hook = ISmartHook()
    hook.halt()
    with pytest.raises(Exception, match="1 not_attempted"):
        hook.send(["96890000001"], "Hello")
    assert not ismart_sandbox.calls


# --- the probe


def test_a_probe_with_a_good_login_returns_9_and_sends_no_message(ismart_sandbox):
    credit = ismart_sandbox.account.credit
    hook = ISmartHook()
    assert hook.probe() == 9
    assert hook.test_connection()[0] is True
    assert (len(ismart_sandbox.calls), ismart_sandbox.messages) == (2, [])
    assert ismart_sandbox.account.credit == credit


@pytest.mark.parametrize("code", CODES)
def test_the_connection_test_explains_every_other_code(code, ismart_sandbox):
    ismart_sandbox.fail(faults.ReturnCode(code=code))
    good, text = ISmartHook().test_connection()
    assert good is False
    assert f"return code {code} (" in text
    assert code not in RETURN_CODES or RETURN_CODES[code].help in text
    assert len(ismart_sandbox.calls) == 1


def test_a_refused_login_is_probed_only_once(ismart_sandbox, ismart_default):
    ismart_default(password="wrong")
    good, text = ISmartHook().test_connection()
    assert (good, ismart_sandbox.account.failed_logins) == (False, 1)
    assert "return code 3" in text


@pytest.fixture
def no_hash(monkeypatch):
    """Make scrypt unavailable, as with FIPS."""

    def fail(*_, **__):
        raise ValueError

    variables._name.cache_clear()
    for module in (refused_login, variables):
        monkeypatch.setattr(module, "scrypt", fail)


def test_a_refusal_that_cannot_be_recorded_still_ends_the_task(no_hash, ismart_sandbox, ismart_default):
    ismart_default(password="wrong")
    with pytest.raises(ISmartLoginError):
        ISmartHook().send("96890000001", "Hello")
    assert len(ismart_sandbox.calls) == 1


@pytest.mark.parametrize(
    "fault", [faults.HttpStatus(status=429, times=9), faults.Drop(), faults.Garbage()], ids=lambda f: f.kind
)
def test_a_probe_without_a_code_is_reported_and_not_repeated(fault, ismart_sandbox):
    ismart_sandbox.fail(fault)
    assert ISmartHook().probe() is None
    good, text = ISmartHook().test_connection() if fault.times > 1 else (False, "No return code: …")
    assert (good, text[:16]) == (False, "No return code: ")
    assert len(ismart_sandbox.calls) == (2 if fault.times > 1 else 1)


# --- the URL


@pytest.fixture
def url(batch, ismart_default):
    ismart_default(login="my user", password="fake p@ss/wörd&1")

    def build(**options):
        numbers = batch("96890000001", "96890000002", text="50% & more")
        return ISmartHook().build_url(numbers, **options)

    return build


def test_a_url_is_masked(url):
    shown = url(flash=True, push_at="01/31/2090 14:30:00")
    query = parse_qs(urlsplit(shown).query)
    assert query["MobileNo"] == ["968******01,968******02"]
    assert (query["UserId"], query["Password"]) == (["***"], ["***"])
    for secret in ("my", "fake", "p%40ss", "96890000001", "90000002"):
        assert secret not in shown


def test_a_revealed_url_is_that_of_the_call(url, ismart_sandbox):
    revealed = urlsplit(url(flash=True, push_at="01/31/2090 14:30:00", reveal=True))
    assert f"{revealed.scheme}://{revealed.netloc}" == ismart_sandbox.url
    assert revealed.path == "/iBulkSMS/HttpWS/SMSDynamicAPI.aspx"
    assert parse_qs(revealed.query) == {
        "UserId": ["my user"],
        "Password": ["fake p@ss/wörd&1"],
        "MobileNo": ["96890000001,96890000002"],
        "Message": ["50% & more"],
        "Lang": ["0"],
        "FLashSMS": ["Y"],
        "PushDateTime": ["01/31/2090 14:30:00"],
    }


def test_the_encoded_password_is_registered_with_airflows_masker(ismart_default):
    from airflow_provider_ismart.hooks import ismart

    registered = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ismart, "mask_secret", registered.append)
        ismart_default(password="fake p@ss/w ord&1")
        ISmartHook().get_conn().close()
    assert {"fake%20p%40ss%2Fw%20ord%261", quote_plus("fake p@ss/w ord&1")} <= set(registered)


# --- what a connection can be


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"login": ""}, "login"),
        ({"login": None}, "login"),
        ({"password": ""}, "password"),
        ({"password": None}, "password"),
        ({"host": "http://gateway.invalid"}, "plain http"),
        ({"host": "http://192.0.2.1"}, "plain http"),
        ({"host": "http://127.0.0.1.gateway.invalid"}, "plain http"),
        ({"host": "http://localhost.gateway.invalid"}, "plain http"),
        ({"host": "ftp://127.0.0.1"}, "host"),
        ({"host": "https://"}, "host"),
        ({"host": "https://user:secret@127.0.0.1"}, "host"),
        ({"host": "https://127.0.0.1/?UserId=me"}, "host"),
        ({"extra": {"no_such_extra": 1}}, "no_such_extra"),
        ({"extra": {"path": "/x?UserId=me"}}, "path"),
        ({"extra": {"path": 7}}, "path"),
        ({"extra": {"connect_timeout": 0}}, "connect_timeout"),
        ({"extra": {"connect_timeout": 301}}, "connect_timeout"),
        ({"extra": {"connect_timeout": "soon"}}, "connect_timeout"),
        ({"extra": {"connect_timeout": "nan"}}, "connect_timeout"),
        ({"extra": {"connect_timeout": True}}, "connect_timeout"),
        ({"extra": {"read_timeout": -1}}, "read_timeout"),
        ({"extra": {"read_timeout": "inf"}}, "read_timeout"),
        ({"extra": {"max_concurrency": 0}}, "max_concurrency"),
        ({"extra": {"max_concurrency": 65}}, "max_concurrency"),
        ({"extra": {"max_concurrency": 1.5}}, "max_concurrency"),
        ({"extra": {"max_concurrency": [4]}}, "max_concurrency"),
        ({"extra": {"calls_per_second": 0}}, "calls_per_second"),
        ({"extra": {"calls_per_second": 1001}}, "calls_per_second"),
        ({"extra": {"timezone": "Asia/Nowhere"}}, "timezone"),
        ({"extra": {"timezone": "../etc/passwd"}}, "timezone"),
        ({"extra": {"country_code": "+968"}}, "country_code"),
        ({"extra": {"country_code": "0968"}}, "country_code"),
        ({"extra": {"country_code": "٩٦٨"}}, "country_code"),
        ({"extra": {"mobile_prefixes": "7;9"}}, "mobile_prefixes"),
        ({"extra": {"mobile_prefixes": "7,"}}, "mobile_prefixes"),
        ({"extra": {"mobile_prefixes": "٧"}}, "mobile_prefixes"),
        ({"extra": {"mobile_prefixes": "900000001"}}, "mobile_prefixes"),
        ({"extra": {"mobile_prefixes": 7}}, "mobile_prefixes"),
        ({"extra": {"mobile_prefixes": [7]}}, "mobile_prefixes"),
        ({"extra": {"max_query_length": 511}}, "max_query_length"),
        ({"extra": {"ca_bundle": "/no/such/file"}}, "ca_bundle"),
        ({"host": "https://127.0.0.1", "extra": {"ca_bundle": __file__}}, "ca_bundle"),
        ({"extra": {"proxy": "proxy.example:3128"}}, "proxy"),
        ({"extra": {"proxy": "socks5://127.0.0.1:1080"}}, "proxy"),
        ({"extra": {"allow_http": "perhaps"}}, "allow_http"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_bad_connection_is_an_error_that_names_the_field(fields, named, ismart_default, ismart_sandbox):
    ismart_default(**fields)
    with pytest.raises(ISmartInputError, match=named) as error:
        ISmartHook().send(["96890000001"], "Hello")
    assert isinstance(error.value, AirflowFailException)
    assert "secret" not in str(error.value)
    assert not ismart_sandbox.calls


@pytest.mark.parametrize(
    "extra",
    [
        {"connect_timeout": "2.5", "read_timeout": "5", "max_concurrency": "2", "allow_http": "true"},
        {"connect_timeout": None, "calls_per_second": "", "proxy": "", "ca_bundle": None, "timezone": ""},
        {"path": "iBulkSMS/HttpWS/SMSDynamicAPI.aspx", "allow_http": False, "max_query_length": 65536},
    ],
)
def test_values_submitted_by_the_form_are_accepted(extra, ismart_default, ismart_sandbox):
    ismart_default(extra=extra)
    assert ISmartHook().probe() == 9


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_host_name_without_a_scheme_uses_https(host, ismart_default, batch):
    ismart_default(host=host)
    assert ISmartHook().build_url(batch()).startswith(f"https://{host}:")


def test_the_documented_gateway_is_the_default(ismart_default, batch):
    ismart_default(host=None, port=None)
    expected = "https://www.ismartsms.net/iBulkSMS/HttpWS/SMSDynamicAPI.aspx?"
    assert ISmartHook().build_url(batch()).startswith(expected)


def test_a_base_url_can_have_a_path(ismart_default, batch):
    ismart_default(host="https://proxy.invalid/sms/", port=None)
    expected = "https://proxy.invalid/sms/iBulkSMS/HttpWS/SMSDynamicAPI.aspx?"
    assert ISmartHook().build_url(batch()).startswith(expected)


def test_plain_http_to_another_machine_must_be_allowed(ismart_default, batch):
    ismart_default(host="http://gateway.invalid", port=None, extra={"allow_http": True})
    assert ISmartHook().build_url(batch()).startswith("http://gateway.invalid/")


def test_a_wrong_password_makes_one_call_and_does_not_lock_the_account(ismart_default, ismart_sandbox, numbers):
    ismart_default(password="wrong")
    with pytest.raises(ISmartLoginError) as error:
        ISmartHook().send(numbers(500), "Hello")
    assert isinstance(error.value, AirflowFailException)
    assert (len(ismart_sandbox.calls), ismart_sandbox.account.locked) == (1, False)
