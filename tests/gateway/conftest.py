"""Provide clients, operators and misbehaving servers, all over real local sockets."""

import json
import socket
import ssl
import threading
from contextlib import ExitStack, closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from airflow_provider_ismart.core.batching import Batch
from airflow_provider_ismart.core.message import LangChoice, compose
from airflow_provider_ismart.gateway import client as client_module
from airflow_provider_ismart.gateway.client import GatewayClient
from airflow_provider_ismart.gateway.settings import Settings
from airflow_provider_ismart.operators.ismart import ISmartSendOperator


@pytest.fixture
def numbers():
    """Return example numbers."""

    def make(count, first=1):
        return [f"968900{number:05d}" for number in range(first, first + count)]

    return make


@pytest.fixture
def quick_back_off(monkeypatch):
    """Retry immediately instead of after seconds; the number of retries is unchanged."""
    monkeypatch.setattr(client_module, "MAX_BACK_OFF_SECONDS", 0.01)


@pytest.fixture
def client(ismart_sandbox):
    """Create a client of the sandbox; keywords change fields of its connection, ``extra`` its extras."""
    with ExitStack() as clients:

        def make(*, extra=None, halted=None, **fields):
            connection = {
                "host": "http://127.0.0.1",
                "port": ismart_sandbox.port,
                "login": ismart_sandbox.user,
                "password": ismart_sandbox.password,
                "extra": json.dumps(extra or {}),
            }
            settings = Settings.of(SimpleNamespace(**connection | fields), "ismart_default")
            return clients.enter_context(closing(GatewayClient(settings, halted=halted)))

        yield make


@pytest.fixture
def batch():
    """Create the batch of one call."""

    def make(*msisdns, text="Your water is off on Monday."):
        msisdns = msisdns or ("96890000001",)
        message = compose(text, LangChoice.AUTO, 5)
        return Batch(message=message, copy=0, rows=tuple(range(len(msisdns))), msisdns=msisdns)

    return make


@pytest.fixture
def submit(client, batch):
    """Submit one batch; return its outcome. Keywords are fields of the connection."""

    def call(*, text="Your water is off on Monday.", flash=False, push_at=None, **connection):
        return client(**connection).submit(batch(text=text), flash=flash, push_at=push_at)

    return call


@pytest.fixture
def send(ismart_default):
    """Run the operator; return its report."""

    def run(recipients, message="Your water is off on Monday.", *, context=None, **options):
        operator = ISmartSendOperator(task_id="tell", recipients=recipients, message=message, **options)
        return operator.execute(context or {})

    return run


@pytest.fixture
def serve():
    """Run a handler for each connection to a free port, in a thread; return the port."""
    with ExitStack() as servers:

        def start(handle):
            listener = servers.enter_context(socket.create_server(("127.0.0.1", 0)))

            def accept():
                while True:
                    try:
                        connection, _ = listener.accept()
                    except OSError:
                        return
                    with connection:
                        connection.settimeout(5)
                        with suppress(OSError):
                            handle(connection)

            thread = threading.Thread(target=accept, daemon=True)
            thread.start()
            servers.callback(thread.join, 5)
            servers.callback(listener.shutdown, socket.SHUT_RDWR)
            return listener.getsockname()[1]

        yield start


@pytest.fixture
def web_server():
    """Run a web server that returns 1 and keeps the requests' headers, with TLS if it gets a context."""
    with ExitStack() as servers:

        def start(tls=None, version=ssl.PROTOCOL_TLS_SERVER):
            server = _WebServer(tls)
            servers.callback(server.close)
            return server

        yield start


class _WebServer:
    def __init__(self, tls):
        self.requests = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                requests.append(self.headers)
                self.send_response(200)
                self.send_header("Content-Length", "1")
                self.end_headers()
                self.wfile.write(b"1")

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args):
                pass

            def finish_request(self, request, client_address):
                request.settimeout(5)
                if tls:
                    request = tls.wrap_socket(request, server_side=True)
                with request:
                    super().finish_request(request, client_address)

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
