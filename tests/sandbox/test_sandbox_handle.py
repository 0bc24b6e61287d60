import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from airflow_provider_ismart.sandbox import InvalidSettingError, NotLoopbackError, Sandbox, faults

THREADS, CALLS, NUMBERS = 16, 25, 4


def test_calls_from_many_threads_are_recorded_exactly_once(ismart_sandbox, target):
    ismart_sandbox.configure(credit=THREADS * CALLS * NUMBERS)

    def work(thread):
        with closing(http.client.HTTPConnection("127.0.0.1", ismart_sandbox.port, timeout=10)) as connection:
            answers = []
            for call in range(CALLS):
                first = (thread * CALLS + call) * NUMBERS
                numbers = ",".join(f"9689000{first + n:04}" for n in range(NUMBERS))
                connection.request("GET", target(MobileNo=numbers))
                answers.append(connection.getresponse().read())
            return answers

    with ThreadPoolExecutor(THREADS) as pool:
        answers = [answer for batch in pool.map(work, range(THREADS)) for answer in batch]
    assert answers == [b"1"] * (THREADS * CALLS)
    messages = ismart_sandbox.messages
    assert {message.msisdn for message in messages} == {f"9689000{n:04}" for n in range(THREADS * CALLS * NUMBERS)}
    assert len(messages) == len({message.id for message in messages}) == THREADS * CALLS * NUMBERS
    assert [call.number for call in ismart_sandbox.calls] == list(range(1, THREADS * CALLS + 1))
    assert len({call.client_port for call in ismart_sandbox.calls}) == THREADS
    assert ismart_sandbox.account.credit == 0


def test_a_stopped_sandbox_refuses_connections_and_keeps_its_port_and_records(ismart_sandbox, send):
    send()
    port = ismart_sandbox.port
    ismart_sandbox.stop()
    ismart_sandbox.stop()
    with pytest.raises(ConnectionRefusedError):
        send()
    assert len(ismart_sandbox.messages) == 1
    ismart_sandbox.start()
    assert ismart_sandbox.port == port
    assert send() == "1"
    assert len(ismart_sandbox.messages) == 2


def test_a_pause_ends_with_its_block(ismart_sandbox, send):
    with ismart_sandbox.pause(), pytest.raises(ConnectionRefusedError):
        send()
    assert send() == "1"


def test_stop_closes_a_call_that_waits_for_its_answer(ismart_sandbox, target):
    ismart_sandbox.fail(faults.Hang(accept=True))
    with socket.create_connection(("127.0.0.1", ismart_sandbox.port), timeout=10) as connection:
        connection.sendall(f"GET {target()} HTTP/1.1\r\nHost: sandbox\r\n\r\n".encode())
        while not ismart_sandbox.calls:
            pass
        ismart_sandbox.stop()
        assert connection.recv(1) == b""
    assert len(ismart_sandbox.messages) == 1


def test_the_sandbox_can_stop_and_start_repeatedly_while_threads_send(ismart_sandbox, send):
    finished = threading.Event()

    def work():
        accepted = 0
        while not finished.is_set():
            with suppress(OSError, http.client.HTTPException):
                accepted += send() == "1"
        return accepted

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work) for _ in range(4)]
        for _ in range(30):
            ismart_sandbox.stop()
            ismart_sandbox.start()
        finished.set()
        accepted = sum(worker.result() for worker in workers)
    assert accepted <= len(ismart_sandbox.messages) <= len(ismart_sandbox.calls)


def test_two_sandboxes_are_independent(ismart_sandbox):
    with Sandbox(user="another-user", password="another-password") as other:
        assert other.port != ismart_sandbox.port
        other.configure(credit=1)
        assert ismart_sandbox.account.credit != 1


def test_a_taken_port_is_reported(ismart_sandbox):
    with pytest.raises(OSError, match=r"^cannot listen on port .* in use\. Choose another port"):
        Sandbox(port=ismart_sandbox.port).start()


def test_connection_json_is_an_airflow_connection_to_the_sandbox(ismart_sandbox):
    assert ismart_sandbox.url == f"http://127.0.0.1:{ismart_sandbox.port}"
    assert json.loads(ismart_sandbox.connection_json()) == {
        "conn_type": "ismart",
        "host": "http://127.0.0.1",
        "port": ismart_sandbox.port,
        "login": "sandbox-user",
        "password": "sandbox-password",
    }


def test_an_unknown_setting_is_named(ismart_sandbox):
    with pytest.raises(InvalidSettingError, match="'balance'"):
        ismart_sandbox.configure(balance=1)


@pytest.mark.parametrize("host", ["192.168.1.10", "", "example.com", "127.0.0.1.example.com"])
def test_only_loopback_and_container_addresses_are_allowed(host):
    with pytest.raises(NotLoopbackError, match="only on loopback addresses"):
        Sandbox(host=host)


@pytest.mark.parametrize(("host", "url"), [("0.0.0.0", "http://127.0.0.1:8025"), ("::", "http://[::1]:8025")])
def test_in_a_container_the_sandbox_listens_on_all_addresses_and_has_a_token(host, url):
    sandbox = Sandbox(host=host, port=8025)
    assert sandbox.url == url
    assert sandbox.control_url("/_sandbox/calls") == f"{url}/_sandbox/calls?token={sandbox.token}"


@pytest.mark.parametrize(("host", "url"), [("localhost", "http://127.0.0.1:"), ("127.0.0.2", "http://127.0.0.2:")])
def test_every_loopback_address_is_allowed(host, url):
    with Sandbox(host=host) as sandbox:
        assert sandbox.url == f"{url}{sandbox.port}"
        socket.create_connection((sandbox.url[7:].partition(":")[0], sandbox.port), timeout=10).close()


def test_an_ipv6_url_has_brackets():
    assert Sandbox(host="::1", port=8025).url == "http://[::1]:8025"
