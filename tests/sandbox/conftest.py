import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest

PATH = "/iBulkSMS/HttpWS/SMSDynamicAPI.aspx"


@pytest.fixture
def target(ismart_sandbox):
    """Build the path and query of a good call, with changes; ``None`` omits a parameter."""

    def build(**changes):
        parameters = {
            "UserId": ismart_sandbox.user,
            "Password": ismart_sandbox.password,
            "MobileNo": "96890000001",
            "Message": "Your order is ready.",
            "Lang": "0",
            "FLashSMS": "N",
        } | changes
        query = urlencode({name: value for name, value in parameters.items() if value is not None})
        return f"{PATH}?{query}"

    return build


@pytest.fixture
def get(ismart_sandbox):
    """Request a path unchanged, on its own connection; return the status, headers and body."""

    def ask(path, method="GET", body=None):
        connection = http.client.HTTPConnection("127.0.0.1", ismart_sandbox.port, timeout=10)
        try:
            connection.request(method, path, body=body)
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    return ask


@pytest.fixture
def send(get, target):
    """Make a good call, with changes; return the return code as text."""

    def call(**changes):
        status, _, body = get(target(**changes))
        assert status == 200
        return body

    return call


@pytest.fixture
def raw(ismart_sandbox, target):
    """Make a call over a bare socket; return every byte until the sandbox closes, or raise TCP's error."""

    def exchange(*, timeout=10.0, **changes):
        with socket.create_connection(("127.0.0.1", ismart_sandbox.port), timeout=timeout) as connection:
            connection.sendall(f"GET {target(**changes)} HTTP/1.1\r\nHost: sandbox\r\n\r\n".encode())
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
            return received

    return exchange


@pytest.fixture
def run_sandbox():
    """Run the command in its own process; return the process, its greeting and its port."""

    @contextmanager
    def run(*arguments):
        command = [sys.executable, "-m", "airflow_provider_ismart.sandbox", "--port", "0", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with process:
            try:
                greeting = ""
                while "Ctrl-C" not in greeting:
                    line = process.stdout.readline()
                    assert line, process.stderr.read()
                    greeting += line
                yield process, greeting, int(re.search(r"http://127\.0\.0\.1:(\d+)", greeting)[1])
            finally:
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)

    return run
