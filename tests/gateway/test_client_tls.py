"""Test TLS: nothing is sent to a server that cannot prove its identity."""

import datetime
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.outcomes import Fate

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Return the files of an authority's certificate and of servers' certificates with their keys."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("authority", key=key, issuer="authority", issuer_key=key, is_authority=True)
    servers = {
        "good": _certificate("good", key=key, issuer="authority", issuer_key=key),
        "of another host": _certificate("other", key=key, issuer="authority", issuer_key=key, host="127.0.0.9"),
        "expired": _certificate("expired", key=key, issuer="authority", issuer_key=key, days=-1),
    }
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "authority.pem").write_bytes(authority)
    for name, certificate in servers.items():
        (folder / f"{name}.pem").write_bytes(certificate + private)
    return folder


def _certificate(name, *, key, issuer, issuer_key, host="127.0.0.1", days=1, is_authority=False):
    def named(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    usage = x509.KeyUsage(*(True,) + (False,) * 4, is_authority, is_authority, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=9))
        .not_valid_after(NOW + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


@pytest.fixture
def tls_server(certificates, web_server):
    """Run a TLS server that returns 1, with one of the certificates."""

    def start(name, **context):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificates / f"{name}.pem")
        for attribute, value in context.items():
            setattr(tls, attribute, value)
        return web_server(tls)

    return start


@pytest.fixture
def submit_to(submit, quick_back_off):
    """Submit a batch to a TLS server on a port."""

    def call(port, **extra):
        extra = {"connect_timeout": 2, "read_timeout": 2} | extra
        return submit(host="https://127.0.0.1", port=port, extra=extra)

    return call


def test_a_certificate_of_the_configured_authority_is_trusted(tls_server, submit_to, certificates):
    server = tls_server("good")
    assert submit_to(server.port, ca_bundle=str(certificates / "authority.pem")).fate is Fate.ACCEPTED
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["of another host", "expired"])
def test_nothing_is_sent_to_a_server_with_an_invalid_certificate(name, tls_server, submit_to, certificates):
    server = tls_server(name)
    outcome = submit_to(server.port, ca_bundle=str(certificates / "authority.pem"))
    assert outcome.fate is Fate.NOT_SENT
    assert "SSLCertVerificationError" in outcome.detail
    assert not server.requests


def test_nothing_is_sent_to_a_server_with_an_unknown_authority(tls_server, submit_to):
    server = tls_server("good")
    assert submit_to(server.port).fate is Fate.NOT_SENT
    assert not server.requests


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environment_does_not_change_the_trusted_authorities(
    variable, tls_server, submit_to, certificates, monkeypatch
):
    monkeypatch.setenv(variable, str(certificates / "authority.pem"))
    server = tls_server("good")
    assert submit_to(server.port).fate is Fate.NOT_SENT
    assert not server.requests


def test_nothing_is_sent_if_the_handshake_hangs(serve, submit_to):
    port = serve(lambda connection: connection.recv(1) and connection.recv(65536) and connection.recv(1))
    outcome = submit_to(port, connect_timeout=0.2, read_timeout=0.2)
    assert outcome.fate is Fate.NOT_SENT


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28"])
def test_nothing_is_sent_if_the_handshake_fails(answer, serve, submit_to):
    port = serve(lambda connection: connection.recv(65536) and connection.sendall(answer))
    assert submit_to(port).fate is Fate.NOT_SENT


def test_a_call_refused_for_a_missing_client_certificate_is_uncertain(tls_server, submit_to, certificates):
    server = tls_server(
        "good", verify_mode=ssl.CERT_REQUIRED, minimum_version=ssl.TLSVersion.TLSv1_3
    )  # TLS 1.3 lets the client write before the server has checked
    outcome = submit_to(server.port, ca_bundle=str(certificates / "authority.pem"))
    assert (outcome.fate, outcome.attempts) == (Fate.UNCERTAIN, 1)


def test_nothing_is_sent_to_a_tls_proxy_with_an_invalid_certificate(
    tls_server, submit, certificates, quick_back_off
):
    server = tls_server("good")
    extra = {"proxy": f"https://127.0.0.1:{server.port}", "connect_timeout": 2, "read_timeout": 2}
    assert submit(extra=extra).fate is Fate.NOT_SENT
    assert not server.requests
    trusted = extra | {"ca_bundle": str(certificates / "authority.pem")}
    assert submit(extra=trusted).fate is Fate.ACCEPTED
    assert len(server.requests) == 1


def test_session_keys_are_not_written_to_sslkeylogfile(tls_server, submit_to, certificates, monkeypatch, tmp_path):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    server = tls_server("good")
    assert submit_to(server.port, ca_bundle=str(certificates / "authority.pem")).fate is Fate.ACCEPTED
    assert not (tmp_path / "keys").exists()


def test_a_ca_bundle_without_certificates_is_refused_before_any_call(client):
    with pytest.raises(InputError, match="ca_bundle"):
        client(extra={"ca_bundle": __file__})
