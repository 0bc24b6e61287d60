"""Measure the CPU time of a call without latency and over TLS, and count connections."""

from __future__ import annotations

import datetime as dt
import ipaddress
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from benchmarks.callers import Callers
from benchmarks.gateway import running_gateway
from benchmarks.measuring import Row, in_turns, main

AT_ONCE = 4
TLS_AT_ONCE = 16
TLS_LATENCY = 0.05


def measure(calls: int, tls_calls: int, rounds: int) -> Iterator[Row]:
    """Yield the rows: CPU time per call, then connections and CPU time over TLS."""
    with running_gateway() as gateway:
        callers = Callers(gateway=gateway, calls=calls, at_once=AT_ONCE)
        cases = {
            "requests": callers.requests,
            "http.client": callers.http_client,
            "client": callers.submit,
            "send": callers.send,
        }
        turns = in_turns(rounds, cases)
    for case, what in (
        ("send", "the whole send, planning and outcomes included"),
        ("client", "the client alone"),
        ("http.client", "http.client"),
    ):
        yield Row(
            benchmark="calls",
            what=f"{what}: CPU time of a call of 50 numbers, no latency, {AT_ONCE} in flight",
            value=turns[case].cpu / calls * 1e6,
            unit="µs",
            reference="a loop over requests.Session",
            reference_value=turns["requests"].cpu / calls * 1e6,
            ratio=turns.cpu_ratio(case, "requests"),
        )
    yield from _tls_rows(tls_calls, rounds)


def _tls_rows(calls: int, rounds: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        certificate = _certificate(Path(folder) / "gateway.pem")
        with running_gateway(TLS_LATENCY) as plain, running_gateway(TLS_LATENCY, certificate) as tls:
            over_http = Callers(gateway=plain, calls=calls, at_once=TLS_AT_ONCE)
            over_tls = Callers(gateway=tls, calls=calls, at_once=TLS_AT_ONCE, ca_bundle=certificate)
            turns = in_turns(rounds, {"http": over_http.send, "tls": over_tls.send})
            connections, plain_connections = tls.connections(), plain.connections()
    yield Row(
        benchmark="calls",
        what=f"TLS handshakes of {calls:,} calls, {TLS_AT_ONCE} in flight",
        value=connections / rounds,
        unit="handshakes",
        reference="connections over plain http",
        reference_value=plain_connections / rounds,
        ratio=connections / plain_connections,
    )
    yield Row(
        benchmark="calls",
        what=f"the same: CPU time of a call over TLS, {TLS_LATENCY * 1000:.0f} ms latency",
        value=turns["tls"].cpu / calls * 1e6,
        unit="µs",
        reference="over plain http",
        reference_value=turns["http"].cpu / calls * 1e6,
        ratio=turns.cpu_ratio("tls", "http"),
    )


def _certificate(path: Path) -> Path:
    """Write a self-signed certificate for this machine, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    return path


if __name__ == "__main__":
    main(measure, __doc__, calls=2_000, tls_calls=1_000, rounds=3)
