import json
import socket
import time

import pytest

from airflow_provider_ismart.sandbox import InvalidFaultError, faults


def test_latency_delays_a_correct_answer(ismart_sandbox, send):
    ismart_sandbox.fail(faults.Latency(seconds=0.2))
    started = time.monotonic()
    assert send() == "1"
    assert time.monotonic() - started >= 0.2
    assert len(ismart_sandbox.messages) == 1


def test_a_call_is_recorded_before_its_latency(ismart_sandbox, raw):
    ismart_sandbox.fail(faults.Latency(seconds=60))
    with pytest.raises(TimeoutError):
        raw(timeout=0.05)
    assert len(ismart_sandbox.messages) == 1


def test_the_account_setting_latency_delays_every_call(ismart_sandbox, send):
    ismart_sandbox.configure(latency=0.05)
    started = time.monotonic()
    assert [send(), send()] == ["1", "1"]
    assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize("accept", [False, True])
def test_a_hang_never_answers(ismart_sandbox, raw, accept):
    ismart_sandbox.fail(faults.Hang(accept=accept))
    with pytest.raises(TimeoutError):
        raw(timeout=0.1)
    assert len(ismart_sandbox.messages) == accept


@pytest.mark.parametrize("accept", [False, True])
def test_a_reset_is_seen_as_rst(ismart_sandbox, raw, accept):
    ismart_sandbox.fail(faults.Reset(accept=accept))
    with pytest.raises(ConnectionResetError):
        raw()
    assert len(ismart_sandbox.messages) == accept


@pytest.mark.parametrize("accept", [False, True])
def test_a_drop_is_seen_as_fin_without_a_byte(ismart_sandbox, raw, accept):
    ismart_sandbox.fail(faults.Drop(accept=accept))
    assert raw() == b""
    assert len(ismart_sandbox.messages) == accept


@pytest.mark.parametrize("accept", [False, True])
@pytest.mark.parametrize("status", [404, 414, 429, 500, 503])
def test_an_http_status_has_its_headers_and_body(ismart_sandbox, get, target, status, accept):
    ismart_sandbox.fail(
        faults.HttpStatus(status=status, headers={"Retry-After": "3"}, body="Come back.", accept=accept)
    )
    answered, headers, body = get(target())
    assert (answered, headers["Retry-After"], body) == (status, "3", "Come back.")
    assert len(ismart_sandbox.messages) == accept


def test_a_redirect_has_its_location(ismart_sandbox, get, target):
    ismart_sandbox.fail(faults.Redirect(location="http://127.0.0.1:9/login"))
    status, headers, _ = get(target())
    assert (status, headers["Location"]) == (302, "http://127.0.0.1:9/login")
    assert ismart_sandbox.messages == []


@pytest.mark.parametrize("accept", [False, True])
def test_garbage_is_status_200_with_the_given_body(ismart_sandbox, send, accept):
    ismart_sandbox.fail(faults.Garbage(body=" 1\r\n", accept=accept))
    assert send() == " 1\r\n"
    assert len(ismart_sandbox.messages) == accept


@pytest.mark.parametrize(("accept", "body"), [(True, b"1"), (False, b"")])
def test_a_truncated_body_ends_before_its_content_length(ismart_sandbox, raw, accept, body):
    ismart_sandbox.fail(faults.TruncatedBody(accept=accept))
    head, _, received = raw().partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % (len(body) + 10) in head
    assert received == body
    assert len(ismart_sandbox.messages) == accept


def test_truncated_headers_are_incomplete(ismart_sandbox, raw):
    ismart_sandbox.fail(faults.TruncatedHeaders())
    received = raw()
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n" not in received
    assert len(ismart_sandbox.messages) == 1


@pytest.mark.parametrize("accept", [False, True])
@pytest.mark.parametrize("code", [11, 24, 99, -1])
def test_any_return_code_can_be_returned(ismart_sandbox, send, code, accept):
    ismart_sandbox.fail(faults.ReturnCode(code=code, accept=accept))
    assert send() == str(code)
    assert len(ismart_sandbox.messages) == accept


def test_with_accept_the_rules_still_decide(ismart_sandbox, raw):
    ismart_sandbox.fail(faults.Drop(accept=True))
    assert raw(MobileNo="1") == b""
    assert ismart_sandbox.calls[0].code == 9
    assert ismart_sandbox.messages == []


def test_without_accept_the_rules_do_not_process_the_call(ismart_sandbox, send):
    ismart_sandbox.fail(faults.ReturnCode(code=3))
    send(Password="wrong")
    assert ismart_sandbox.account.failed_logins == 0
    assert ismart_sandbox.calls[0].code is None


def test_each_call_consumes_one_fault(ismart_sandbox, send):
    ismart_sandbox.fail(faults.ReturnCode(code=11, times=2), None, faults.ReturnCode(code=20))
    assert [send() for _ in range(5)] == ["11", "11", "1", "20", "1"]
    assert [call.fault for call in ismart_sandbox.calls] == ["code", "code", None, "code", None]


def test_the_connection_survives_a_fault_if_http_allows_it(ismart_sandbox, target):
    ismart_sandbox.fail(faults.ReturnCode(code=11))
    with socket.create_connection(("127.0.0.1", ismart_sandbox.port), timeout=10) as connection:
        for answer in (b"11", b"1"):
            connection.sendall(f"GET {target()} HTTP/1.1\r\nHost: sandbox\r\n\r\n".encode())
            received = b""
            while not received.endswith(b"\r\n\r\n" + answer):
                received += connection.recv(65536)
    assert len({call.client_port for call in ismart_sandbox.calls}) == 1


@pytest.mark.parametrize("kind", faults.KINDS)
def test_every_fault_can_be_posted_and_read_back(ismart_sandbox, get, kind):
    needed = {"latency": {"seconds": 1.5}, "http_status": {"status": 503}, "code": {"code": 11}}
    fault = {"fault": kind, "times": 2, **needed.get(kind, {})}
    status, _, body = get("/_sandbox/faults", "POST", json.dumps([fault, None]))
    assert status == 200
    (posted, alone) = json.loads(body)
    assert fault.items() <= posted.items()
    assert alone is None
    assert json.loads(get("/_sandbox/faults")[2]) == [posted, None]


def test_faults_can_be_cleared(ismart_sandbox, get, send):
    ismart_sandbox.fail(faults.Hang())
    assert json.loads(get("/_sandbox/faults", "DELETE")[2]) == []
    assert send() == "1"


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"fault": "meteor"}, "'meteor'"),
        ({"fault": "query_too_long"}, "'query_too_long'"),
        ({"fault": ["hang"]}, "['hang']"),
        ({"times": 2}, "None"),
        ("hang", "'hang'"),
        ({"fault": "hang", "for": 3}, "'for'"),
        ({"fault": "hang", "accept": "yes"}, "accept"),
        ({"fault": "hang", "times": 0}, "times"),
        ({"fault": "hang", "times": True}, "times"),
        ({"fault": "latency"}, "seconds"),
        ({"fault": "latency", "seconds": -1}, "seconds"),
        ({"fault": "http_status", "status": 200}, "status"),
        ({"fault": "http_status", "status": 503, "headers": {"Retry-After": 3}}, "headers"),
        ({"fault": "garbage", "body": 1}, "body"),
        ({"fault": "redirect", "location": None}, "location"),
        ({"fault": "code", "code": "11"}, "code"),
    ],
)
def test_an_invalid_fault_is_named_and_none_is_queued(ismart_sandbox, get, fault, named):
    status, _, body = get("/_sandbox/faults", "POST", json.dumps([{"fault": "hang"}, fault]))
    assert status == 400
    assert named in json.loads(body)["error"]
    assert json.loads(get("/_sandbox/faults")[2]) == []


def test_a_fault_is_validated_on_creation():
    with pytest.raises(InvalidFaultError, match="'latency': seconds"):
        faults.Latency(seconds=float("nan"))
