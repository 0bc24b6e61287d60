"""Test which connections are made and how, and what a failure to connect proves."""

import json
import re
import socket
import threading
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.outcomes import Fate
from airflow_provider_ismart.gateway.client import MAX_ATTEMPTS
from airflow_provider_ismart.sandbox import faults


@pytest.fixture
def closed_port():
    """Yield a port that refuses connections while the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound, but not listening
        yield bound.getsockname()[1]


@pytest.fixture
def full_port():
    """Yield a port with a full queue, so that connecting to it never ends."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for queued in (first, second):
            queued.setblocking(False)
            queued.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("field", ["login", "password"])
@pytest.mark.parametrize("value", [90000001, 1.5, True, ["text"], b"text"], ids=repr)
def test_a_login_that_is_no_text_is_named_and_not_shown(field, value, client):
    with pytest.raises(InputError, match=f"{field}.* is of type {type(value).__name__}; put quotes around it"):
        client(**{field: value})


def test_a_refused_connection_proves_that_nothing_was_sent(closed_port, submit, quick_back_off):
    outcome = submit(port=closed_port)
    assert (outcome.fate, outcome.attempts) == (Fate.NOT_SENT, MAX_ATTEMPTS)
    assert outcome.detail == "no connection could be made: ConnectionRefusedError (Connection refused)"


def test_a_connect_timeout_proves_that_nothing_was_sent(full_port, submit, quick_back_off):
    outcome = submit(port=full_port, extra={"connect_timeout": 0.1})
    assert (outcome.fate, outcome.attempts) == (Fate.NOT_SENT, MAX_ATTEMPTS)
    assert "no connection could be made" in outcome.detail


def test_an_unknown_host_name_proves_that_nothing_was_sent(submit, quick_back_off):
    outcome = submit(host="https://gateway.invalid", port=None)
    assert (outcome.fate, outcome.attempts) == (Fate.NOT_SENT, MAX_ATTEMPTS)
    assert outcome.detail == "no connection could be made: gaierror (Name or service not known)"


def test_a_connection_lost_before_the_answer_is_uncertain(serve, submit):
    port = serve(lambda connection: connection.recv(1))
    assert submit(port=port).fate is Fate.UNCERTAIN


def test_the_client_backs_off_between_attempts(closed_port, submit):
    started = time.monotonic()
    submit(port=closed_port)
    assert 3.5 <= time.monotonic() - started < 15  # 0.5 + 1 + 2, and up to half a second more each


def test_halting_a_client_ends_its_wait(closed_port, submit):
    halted = threading.Event()
    threading.Timer(0.2, halted.set).start()
    started = time.monotonic()
    outcome = submit(port=closed_port, halted=halted)
    assert outcome.fate is Fate.NOT_SENT
    assert time.monotonic() - started < 3  # without the event, it would wait 3.5 seconds
    assert outcome.attempts == 1  # the call that was made before


def test_a_halted_client_makes_no_call(client, batch, ismart_sandbox):
    halted = threading.Event()
    halted.set()
    outcome = client(halted=halted).submit(batch(), flash=False, push_at=None)
    assert (outcome.fate, outcome.attempts) == (Fate.NOT_SENT, 0)
    assert not ismart_sandbox.calls


def test_a_connection_is_reused(client, batch, ismart_sandbox):
    gateway = client()
    with ThreadPoolExecutor(3) as threads:
        together = threading.Barrier(3)

        def some_calls(_):
            together.wait()
            for _ in range(10):
                gateway.submit(batch(), flash=False, push_at=None)

        list(threads.map(some_calls, range(3)))
    assert len(ismart_sandbox.calls) == 30
    assert len({call.client_port for call in ismart_sandbox.calls}) == 3


def test_closing_a_client_closes_its_connections(serve, client, batch):
    ends = SimpleQueue()

    def answer(connection):
        _read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
        ends.put(connection.recv(1))

    gateway = client(port=serve(answer))
    assert gateway.submit(batch(), flash=False, push_at=None).fate is Fate.ACCEPTED
    gateway.close()
    assert ends.get(timeout=4) == b""  # before the server's time-out, while the client still exists


def test_an_idle_connection_closed_by_the_server_is_replaced(client, batch, ismart_sandbox):
    gateway = client()
    gateway.submit(batch(), flash=False, push_at=None)
    with ismart_sandbox.pause():
        pass
    assert gateway.submit(batch(), flash=False, push_at=None).fate is Fate.ACCEPTED
    assert len(ismart_sandbox.messages) == 2


def test_the_call_after_a_fault_gets_its_own_answer(client, batch, ismart_sandbox):
    gateway = client(extra={"read_timeout": 1})
    ismart_sandbox.fail(faults.Latency(seconds=2), None, faults.ReturnCode(code=9))
    fates = [gateway.submit(batch(), flash=False, push_at=None).fate for _ in range(3)]
    assert fates == [Fate.UNCERTAIN, Fate.ACCEPTED, Fate.REFUSED]


def test_proxies_of_the_environment_are_not_used(submit, monkeypatch, closed_port):
    for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{closed_port}")
    assert submit().fate is Fate.ACCEPTED


def test_the_users_netrc_is_not_read(web_server, submit, monkeypatch, tmp_path):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    server = web_server()
    assert submit(port=server.port).fate is Fate.ACCEPTED
    (headers,) = server.requests
    assert set(headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}


def test_cookies_are_not_sent_back(serve, client, batch):
    heads = []

    def set_cookie(connection):
        for _ in range(2):
            heads.append(_read_head(connection))
            connection.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1; Path=/\r\nContent-Length: 1\r\n\r\n1")

    gateway = client(port=serve(set_cookie))
    for _ in range(2):
        assert gateway.submit(batch(), flash=False, push_at=None).fate is Fate.ACCEPTED
    assert not any(b"cookie" in head.lower() for head in heads)


@pytest.mark.parametrize("location", [b"\xe9\xff", b"http://[", b"", b"https://gateway.invalid/"], ids=repr)
def test_a_redirect_frees_its_connection(location, serve, client, batch):
    def redirect(connection):
        while _read_head(connection):
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")

    gateway = client(port=serve(redirect), extra={"max_concurrency": 1})
    for _ in range(3):  # the second would wait for ever if the first had kept the only connection
        outcome = gateway.submit(batch(), flash=False, push_at=None)
        assert (outcome.fate, outcome.http_status) == (Fate.UNCERTAIN, 302)


def test_an_invalid_host_is_refused_before_any_call(client):
    with pytest.raises(InputError, match="host"):
        client(host="https://*.example")


# --- a proxy of the connection's own


def _read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        if not (more := connection.recv(65536)):
            break
        head += more
    return head


def test_a_plain_http_call_uses_the_configured_proxy(serve, submit, ismart_sandbox):
    heads = []

    def proxy(connection):
        heads.append(_read_head(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")

    assert submit(extra={"proxy": f"http://127.0.0.1:{serve(proxy)}"}).fate is Fate.ACCEPTED
    assert heads[0].startswith(b"GET http://127.0.0.1:")
    assert not ismart_sandbox.calls


@pytest.mark.parametrize("host", ["http://127.0.0.1", "https://gateway.invalid"])
def test_a_proxy_gets_its_login(host, serve, submit, quick_back_off):
    heads = []
    port = serve(lambda connection: heads.append(_read_head(connection)))
    submit(host=host, extra={"proxy": f"http://somebody:not%20real@127.0.0.1:{port}"})
    login = re.escape(b64encode(b"somebody:not real"))
    assert re.search(rb"\r\n(?i:proxy-authorization): Basic " + login + rb"\r\n", heads[0])


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 Connection established\r\n\r\n",  # and then it goes
        b"garbage",
        b"",
    ],
    ids=repr,
)
def test_a_proxy_that_refuses_a_tunnel_proves_that_nothing_was_sent(answer, serve, submit, quick_back_off):
    heads = []

    def proxy(connection):
        heads.append(_read_head(connection))
        connection.sendall(answer)

    outcome = submit(
        host="https://gateway.invalid", port=None, extra={"proxy": f"http://127.0.0.1:{serve(proxy)}"}
    )
    assert outcome.fate is Fate.NOT_SENT
    assert len(heads) == MAX_ATTEMPTS
    assert all(head.startswith(b"CONNECT gateway.invalid:443 ") for head in heads)
    assert not any(b"UserId" in head for head in heads)


def test_a_proxy_that_hangs_proves_that_nothing_was_sent(serve, submit, quick_back_off):
    port = serve(lambda connection: _read_head(connection) and connection.recv(1))
    extra = {"proxy": f"http://127.0.0.1:{port}", "connect_timeout": 0.2, "read_timeout": 0.2}
    assert submit(host="https://gateway.invalid", port=None, extra=extra).fate is Fate.NOT_SENT


def test_an_unreachable_proxy_proves_that_nothing_was_sent(closed_port, submit, quick_back_off):
    for host in ("https://gateway.invalid", "http://127.0.0.1"):
        outcome = submit(host=host, extra={"proxy": f"http://127.0.0.1:{closed_port}"})
        assert outcome.fate is Fate.NOT_SENT


def test_a_json_answer_of_a_captive_portal_is_not_accepted(submit, ismart_sandbox):
    ismart_sandbox.fail(faults.Garbage(body=json.dumps({"code": 1})))
    assert submit().fate is Fate.UNCERTAIN
