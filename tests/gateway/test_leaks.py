"""Test that no failure leaks a secret: search everything that anybody could read afterwards."""

import base64
import io
import json
import logging
import traceback
from urllib.parse import quote, quote_plus

import pandas
import pytest

from airflow_provider_ismart.exceptions import ISmartError, ISmartInputError
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.sandbox import Sandbox, faults

LOGIN = "fake-user"
PASSWORD = "f@ke/pässwörd +%&'\"#=?é\\n~*"  # opens nothing
TEXT = "Secret diagnosis: 50% & ü für {name}, مرحبا 🎉"
NUMBERS = ["96890001234", "96890005678", "96890009012"]
ROWS = [{"msisdn": number, "name": name} for number, name in zip(NUMBERS, "ABC", strict=True)]


def _encodings(secret):
    raw = secret.encode()
    yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret), quote(secret, safe="*"))
    yield from (repr(secret)[1:-1], json.dumps(secret)[1:-1], ascii(secret)[1:-1], repr(raw)[2:-1])
    yield from (raw.decode("latin-1"), quote(secret, encoding="latin-1", errors="replace", safe=""))
    yield from (base64.b64encode(text).decode().rstrip("=")[:-1] for text in (raw, f"{LOGIN}:{secret}".encode()))
    yield quote(quote(secret, safe=""), safe="")


def _needles():
    for piece in (PASSWORD, PASSWORD[:12], PASSWORD[-12:]):
        yield from ((form, "password") for form in _encodings(piece))
    for number in NUMBERS:
        yield from ((digits, "number") for digits in (number, number[3:]))
    for piece in ("Secret diagnosis", "50% & ü für", "مرحبا", "🎉"):
        yield from ((form, "text") for form in _encodings(piece))


NEEDLES = sorted(set(_needles()))


@pytest.fixture
def sandbox():
    with Sandbox(user=LOGIN, password=PASSWORD) as sandbox:
        yield sandbox


@pytest.fixture
def connection(airflow_loaded, sandbox, monkeypatch):
    """Point ``ismart_default`` at the sandbox; call it to change fields or extras."""

    def change(*, extra=None, **fields):
        described = json.loads(sandbox.connection_json()) | fields
        described["extra"] = {"read_timeout": 1, "connect_timeout": 1} | (extra or {})
        monkeypatch.setenv("AIRFLOW_CONN_ISMART_DEFAULT", json.dumps(described))

    change()
    return change


@pytest.fixture
def everything_said(capfd, caplog):
    """Record everything that goes to any log at any level, unmasked, and to the terminal; return it as text."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s %(threadName)s"))
    loggers = [logging.getLogger(), *map(logging.getLogger, ("urllib3", "requests", "airflow.task", "tenacity"))]
    before = [(logger, logger.level) for logger in loggers]
    caplog.set_level(logging.DEBUG)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    loggers[0].addHandler(handler)
    yield lambda: "".join([written.getvalue(), caplog.text, *capfd.readouterr()])
    loggers[0].removeHandler(handler)
    for logger, level in before:
        logger.setLevel(level)


def _told_by(error):
    """Return everything that an exception shows, with its causes; nothing shows a suppressed context."""
    told = "".join(traceback.format_exception(error))
    while error is not None:
        told += f"{error!s}{error!r}{error.args!r}{vars(error)!r}{getattr(error, '__notes__', '')}"
        told += str(error.report and error.report.as_json()) if isinstance(error, ISmartError) else ""
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return told


@pytest.fixture
def leaks(everything_said, connection, quick_back_off, tmp_path):
    """Send; return the leaked secrets, and how the send ended."""

    def run(act=None, **options):
        options = {"recipients": ROWS, "message": TEXT} | options
        operator = ISmartSendOperator(task_id="tell", **options)
        try:
            ended = json.dumps((act or operator.execute)({}), default=str)
        except BaseException as error:  # noqa: BLE001  # whatever it is
            ended = _told_by(error)
        said = everything_said() + ended + repr(operator.hook) + repr(vars(operator.hook))
        return {(needle, kind) for needle, kind in NEEDLES if needle in said}, said

    return run


FAULTS = [
    faults.Hang(times=9),
    faults.Reset(times=9),
    faults.Reset(times=9, accept=True),
    faults.Drop(times=9),
    faults.Garbage(times=9, body="{}"),
    faults.Redirect(times=9),
    faults.TruncatedBody(times=9),
    faults.TruncatedHeaders(times=9),
    faults.HttpStatus(status=400, times=9),
    faults.HttpStatus(status=407, times=9),
    faults.HttpStatus(status=429, times=9),
    faults.HttpStatus(status=503, times=9, headers={"Retry-After": "0"}),
    faults.HttpStatus(status=500, times=9),
    *(faults.ReturnCode(code=code, times=9) for code in (3, 4, 5, 9, 11, 12, 15, 20, 23, 99)),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind} {getattr(fault, 'code', '')}")
def test_no_failure_of_the_gateway_leaks_a_secret(fault, leaks, sandbox):
    sandbox.fail(fault)
    found, said = leaks()
    assert not found
    assert "3 rows" in said  # the search has something to search in


def test_a_successful_send_leaks_no_secret(leaks, sandbox):
    found, said = leaks()
    assert not found
    assert len(sandbox.messages) == 3
    assert "urllib3.connectionpool" in said
    assert "/iBulkSMS/HttpWS/SMSDynamicAPI.aspx HTTP/1.1" in said  # the line that would hold it all


def test_a_refused_number_is_not_shown(leaks, sandbox):
    sandbox.configure(opted_out=[NUMBERS[1]], bad_numbers=[NUMBERS[2]])
    found, said = leaks()
    assert not found
    assert '"refused": 2' in said


@pytest.mark.parametrize(
    "fields",
    [
        {"port": 1},
        {"host": "https://gateway.invalid"},
        {"host": "https://127.0.0.1"},  # TLS to a server that speaks none
        {"extra": {"proxy": "http://127.0.0.1:1"}},
        {"host": "https://gateway.invalid", "extra": {"proxy": "http://127.0.0.1:1"}},
        {"extra": {"proxy": "socks5://127.0.0.1:1"}},
        {"host": "http://gateway.invalid"},
        {"login": None},
        {"password": PASSWORD + "x"},
        {"extra": {"no_such": PASSWORD}},
        {"extra": {"read_timeout": "soon"}},
        {"extra": {"ca_bundle": __file__}},
    ],
    ids=str,
)
def test_no_bad_connection_leaks_a_secret(fields, leaks, connection):
    connection(**fields)
    found, _ = leaks()
    assert not found


@pytest.mark.parametrize("fault", [None, faults.Hang(), faults.Drop(), faults.ReturnCode(code=3)], ids=str)
def test_a_probe_leaks_no_secret(fault, leaks, sandbox):
    sandbox.fail(fault)
    assert not leaks(lambda _: ISmartHook().test_connection())[0]


def test_a_masked_url_leaks_no_login_password_or_number(leaks, batch):
    found, _ = leaks(lambda _: ISmartHook().build_url(batch(*NUMBERS)))
    assert not found


@pytest.mark.parametrize(
    "options",
    [
        {"recipients": [*NUMBERS, NUMBERS[0] + "9", NUMBERS[0][3:] + "x", "/".join(NUMBERS)], "message": "Hi"},
        {"recipients": [float(number) + 0.5 for number in NUMBERS], "message": "Hi"},
        {"message": TEXT * 40},
        {"message": TEXT, "lang": "english"},
        {"message": TEXT + "{"},
        {"message": TEXT + "{no_such_column}"},
        {"message": TEXT + "{name.x}"},
        {"message": TEXT + "{name:.3f}"},
        {"recipients": ",".join(NUMBERS), "message": TEXT},
        {"recipients": "[" + ",".join(NUMBERS), "message": "Hi"},
        {"recipients": [(number, "A") for number in NUMBERS], "message": "Hi"},
        {"recipients": {"msisdn": NUMBERS, "name": ["A"]}},
        {"recipients": [*ROWS, NUMBERS[0]]},
        {"on_invalid": "fail", "recipients": [*ROWS, {"msisdn": NUMBERS[0] + "9", "name": "D"}]},
        {"message": None, "message_column": "name", "recipients": [ROWS[0] | {"name": [TEXT]}]},
        {"message": dict.fromkeys(NUMBERS, TEXT), "language_column": "name"},
        {"message": {"en": TEXT + "{"}, "language_column": "name"},
        {"message": {"en": TEXT}, "language_column": "msisdn"},
        {"message": {"en": TEXT}, "language_column": "name", "recipients": [ROWS[0] | {"name": TEXT}]},
        {"results_path": "/proc/no.csv"},
        {"push_at": "2020-01-01T00:00"},
        {"dry_run": True, "on_invalid": "fail", "recipients": [*ROWS, {"msisdn": "none", "name": "D"}]},
    ],
    ids=lambda options: repr(options)[:70],
)
def test_no_bad_input_leaks_a_secret(options, leaks):
    assert not leaks(**options)[0]


def test_only_the_report_of_a_dry_run_has_samples_with_masked_numbers(leaks):
    reports = []

    def preview(_):
        text = "For {name}: {msisdn}"
        operator = ISmartSendOperator(task_id="preview", recipients=ROWS, message=text, dry_run=True)
        reports.append(operator.execute({}))

    found, said = leaks(preview)
    assert not found
    assert "Dry run: 3 rows" in said
    assert "For A" not in said
    assert [sample["text"] for sample in reports[0]["samples"]] == [
        f"For {name}: 968******{number[-2:]}" for name, number in zip("ABC", NUMBERS, strict=True)
    ]
    assert not [digits for digits, kind in NEEDLES if kind == "number" and digits in str(reports)]


@pytest.mark.parametrize(
    "recipients",
    [
        dict.fromkeys(NUMBERS, "A"),
        {number: ["A"] for number in NUMBERS},
        {number: ["A"] * index for index, number in enumerate(NUMBERS)},
        pandas.DataFrame([["96890000001", "A"]], columns=[NUMBERS[0], "A"]),  # a CSV file without a header
    ],
    ids=["number to name", "number to names", "uneven", "file without a header"],
)
def test_numbers_used_as_column_names_are_not_shown(recipients, leaks):
    found, said = leaks(recipients=recipients)
    assert ISmartInputError.__name__ in said
    assert not found


def test_rendered_recipients_show_only_their_count(leaks):
    operators = {}

    def render(_):
        for name, recipients in {"rows": ROWS, "frame": pandas.DataFrame(ROWS), "text": ",".join(NUMBERS)}.items():
            operator = ISmartSendOperator(task_id=name, recipients=recipients, message="Hi {name}")
            operator.render_template_fields({})
            operators[name] = operator
        return [[str(o.recipients), repr(o.recipients), f"{o.recipients}"] for o in operators.values()]

    found, said = leaks(render)
    assert not found
    assert "3 recipients as DataFrame" in said
