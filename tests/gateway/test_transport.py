"""Test the transport itself, below the client."""

import ast
import logging
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

import airflow_provider_ismart
from airflow_provider_ismart.gateway.transport import MaybeSent, NotSent, Transport
from airflow_provider_ismart.sandbox import faults

PACKAGE = Path(airflow_provider_ismart.__path__[0])
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def _imported_by(module):
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def test_only_the_transport_imports_requests_and_urllib3():
    assert [module for module in MODULES if {"requests", "urllib3"} & set(_imported_by(module))] == [
        "gateway/transport.py"
    ]


SECRET = "not a real/password&+%é"
QUERY = f"UserId=somebody&Password={quote(SECRET, safe='')}&MobileNo=96890000001&Message=Hello"
SHOWS_THE_QUERY = [SECRET, quote(SECRET), quote(SECRET, safe=""), "96890000001", "Password="]


@pytest.fixture
def seen(monkeypatch, caplog):
    """Record everything that requests and urllib3 can show of a call: log records, requests and responses."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    shown = []
    send = requests.adapters.HTTPAdapter.send

    def record(adapter, request, **options):
        shown.append(f"{request!r} {vars(request)!r} {options!r} {vars(adapter)!r}")
        response = send(adapter, request, **options)
        shown.append(f"{response!r} {response.url} {vars(response)!r} {response.next!r} {response.raw.geturl()}")
        shown.append(f"{vars(response.raw)!r} {vars(response.request)!r}")
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", record)
    yield lambda: "\n".join([*shown, caplog.text])
    logging.getLogger("urllib3").setLevel(logging.NOTSET)


def _shown_by(error):
    """Return everything that an error and its causes contain, suppressed ones included."""
    while error is not None:
        yield f"{error!s} {error!r} {error.args!r} {vars(error)!r}"
        request, response = getattr(error, "request", None), getattr(error, "response", None)
        yield "".join(repr(vars(part)) for part in (request, response) if part is not None)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (None, None),
        (faults.Redirect(), None),
        (faults.HttpStatus(status=500), None),
        (faults.Garbage(body="{}"), None),
        (faults.Hang(), MaybeSent),
        (faults.Reset(), MaybeSent),
        (faults.Drop(), MaybeSent),
        (faults.TruncatedBody(), MaybeSent),
        (faults.TruncatedHeaders(), None),
    ],
    ids=lambda value: getattr(value, "kind", getattr(value, "__name__", "none")),
)
def test_requests_does_not_see_the_query(fault, error, client, ismart_sandbox, seen):
    if fault:
        ismart_sandbox.fail(fault)
    with closing(Transport(client(extra={"read_timeout": 0.3}).settings)) as transport:
        _get(transport, error, seen)
    assert len(ismart_sandbox.calls) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"port": 1},
        {"host": "https://gateway.invalid"},
        {"host": "https://127.0.0.1"},  # TLS to a server that speaks none
        {"extra": {"proxy": "http://127.0.0.1:1"}},
        {"host": "https://gateway.invalid", "extra": {"proxy": "http://127.0.0.1:1"}},
    ],
    ids=str,
)
def test_requests_does_not_see_the_query_of_an_unsent_call(fields, client, ismart_sandbox, seen):
    with closing(Transport(client(**fields).settings)) as transport:
        _get(transport, NotSent, seen)
    assert not ismart_sandbox.calls


def _get(transport, error, seen):
    """Make a call that ends in ``error`` and does not show the query."""
    shown = []
    if error:
        with pytest.raises(error) as raised:
            transport.get(QUERY)
        shown.extend(_shown_by(raised.value))
        assert raised.value.__context__ is not None  # there was something to search in
    else:
        transport.get(QUERY)
    text = "\n".join([*shown, seen()])
    assert "SMSDynamicAPI.aspx" in text
    assert not [secret for secret in SHOWS_THE_QUERY if secret in text]


def test_a_thread_keeps_no_query_after_its_call(client):
    with closing(Transport(client().settings)) as transport:
        transport.get(QUERY)
        assert sys.modules[Transport.__module__]._call.query == ""
