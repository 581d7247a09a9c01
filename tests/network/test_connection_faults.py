"""What is told of a certificate or a proxy that does not let us through: what it is, what to do, and no credential."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from urllib3.util.ssl_ import create_urllib3_context

from bitbucket_port import tls
from bitbucket_port.errors import SettingsError, TransientError
from bitbucket_port.http import ATTEMPTS, Deadline, HttpClient
from local.standins.certificates import PrivateAuthority
from local.standins.forward_proxy import ForwardProxy
from local.standins.port import PortStandIn

NAME = "api.port.example.com"
PASSWORD = "hush-hush"


def client(url: str, verify: bool | str | Callable[[], bool | str] = True, **more: Any) -> HttpClient:
    return HttpClient(
        url, headers=None, deadline=Deadline.after(30), name="Orchard", verify=verify, sleep=lambda _: None, **more
    )


def fault(asking: HttpClient) -> str:
    """What a request is told as, which may be tried again later."""
    with pytest.raises(TransientError) as raised:
        asking.request("GET", "/v1/users", ok=range(600))
    assert raised.value.__cause__ is None
    assert PASSWORD not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def port() -> Iterator[PortStandIn]:
    """Not started."""
    stand_in = PortStandIn("me", "mine")
    yield stand_in
    stand_in.stop()


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


# --- certificates ----------------------------------------------------------------------------------------------------


def test_an_unknown_authority_is_told_with_the_setting(port: PortStandIn, authority: PrivateAuthority) -> None:
    asking = client(port.start(tls=authority.server_context()))
    told = fault(asking)
    assert told.startswith("Orchard cannot be reached: the TLS certificate comes from an authority that is not trusted")
    assert "name it in CaBundleSecretArn" in told
    assert asking.sent == 1


def test_no_bundle_mends_another_name(port: PortStandIn, authority: PrivateAuthority) -> None:
    url = port.start(tls=authority.server_context("elsewhere.example.com"))
    told = fault(client(url, str(authority.certificate_file)))
    assert "was not accepted (IP address mismatch" in told
    assert "CaBundleSecretArn" not in told


def test_what_is_trusted_may_change_between_two_requests(
    port: PortStandIn, authority: PrivateAuthority, tmp_path: Path
) -> None:
    url, another = port.start(tls=authority.server_context()), PrivateAuthority(tmp_path)
    files = [str(another.certificate_file)]
    asking = client(url, lambda: files[-1])
    fault(asking)
    files.append(str(authority.certificate_file))
    assert asking.request("GET", "/v1/users", ok=(401,)).status == 401
    files.append(str(another.certificate_file))
    fault(asking)


def test_a_bundle_that_cannot_be_had_is_told_and_nothing_sent(port: PortStandIn, authority: PrivateAuthority) -> None:
    def useless() -> str:
        raise SettingsError("the secret named by CaBundleSecretArn holds no certificate")

    asking = client(port.start(tls=authority.server_context()), useless)
    with pytest.raises(SettingsError, match="holds no certificate"):
        asking.request("GET", "/v1/users")
    assert (asking.sent, port.requests) == (0, [])


@pytest.mark.parametrize("content", [None, "", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"])
def test_a_file_that_is_not_there_or_no_bundle_is_a_wrong_setting(
    port: PortStandIn, authority: PrivateAuthority, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    asking = client(port.start(tls=authority.server_context()), str(file))
    with pytest.raises(SettingsError, match="certificates to trust cannot be read"):
        asking.request("GET", "/v1/users")


def test_authorities_are_read_once_for_all_connections(
    port: PortStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = PrivateAuthority(tmp_path)
    url, read = port.start(tls=own.server_context()), []

    class Counting(ssl.SSLContext):
        def load_verify_locations(self, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
            read.append(cafile)
            super().load_verify_locations(cafile, capath, cadata)

    monkeypatch.setattr("urllib3.util.ssl_.SSLContext", Counting)
    for _ in range(2):
        assert client(url, str(own.certificate_file)).request("GET", "/v1/users", ok=(401,)).status == 401
    assert read == [str(own.certificate_file)]


def test_what_speaks_no_tls_is_not_taken_for_a_wrong_certificate(port: PortStandIn) -> None:
    asking = client(port.start().replace("http:", "https:"))
    told = fault(asking)
    assert told.startswith("Orchard cannot be reached: no TLS connection came about (")
    assert "CaBundleSecretArn" not in told
    assert asking.sent == ATTEMPTS


def test_certificates_of_old_authorities_are_accepted_where_a_bundle_is_given(
    port: PortStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python 3.13 and newer verify; this one may be older. Of the public authorities form is demanded."""
    url = port.start(tls=_plain_certificate(tmp_path)).replace("127.0.0.1", "localhost")

    def strict() -> ssl.SSLContext:
        context = create_urllib3_context()
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(tls, "create_urllib3_context", strict)
    file = tmp_path / "authority.pem"
    assert client(url, str(file)).request("GET", "/v1/users", ok=(401,)).status == 401
    public = tmp_path / "public.pem"
    public.write_bytes(file.read_bytes())
    monkeypatch.setattr(tls, "DEFAULT_CA_BUNDLE_PATH", str(public))
    assert "was not accepted (Missing Authority Key Identifier)" in fault(client(url, str(public)))


def _plain_certificate(folder: Path) -> ssl.SSLContext:
    """A server's certificate, and in ``authority.pem`` its authority's, without any key identifier in them."""
    now = datetime.now(UTC)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Old authority")])
    own, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def certificate(name: x509.Name, of: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(of.public_key())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        return builder.sign(own, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    (folder / "authority.pem").write_bytes(certificate(issuer, own, ca=True))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")]), key, ca=False)
    (folder / "server.pem").write_bytes(private + server)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


# --- the way there ---------------------------------------------------------------------------------------------------


def test_a_name_that_is_unknown_here_is_told_as_that() -> None:
    assert fault(client("https://bitbucket.invalid")) == "Orchard cannot be reached: its name cannot be resolved here"


def test_what_refuses_or_breaks_off_is_told_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fault(client("http://127.0.0.1:1")) == "Orchard cannot be reached: ConnectionRefusedError"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_hang_up, args=(listening,), daemon=True).start()
        told = fault(client(f"http://127.0.0.1:{listening.getsockname()[1]}"))
    assert told == "Orchard cannot be reached: RemoteDisconnected"


def test_a_network_without_a_way_out_is_told_apart_from_a_slow_server() -> None:
    with socket.socket() as full:  # Nobody accepts, and nobody more may wait: as if packets were lost.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        url = f"http://127.0.0.1:{address[1]}"
        with socket.create_connection(address):
            assert "is there a way out of this network?" in fault(client(url, timeout=(0.2, 0.2)))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert fault(client(url, timeout=(0.2, 0.2))) == "Orchard did not answer in time"


# --- the proxy -------------------------------------------------------------------------------------------------------


def test_a_proxy_that_wants_credentials_is_told_as_that(proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy.credentials = "clerk:another"
    monkeypatch.setenv("HTTPS_PROXY", proxy.start().replace("//", f"//clerk:{PASSWORD}@"))
    asking = client(f"https://{NAME}")
    assert "the proxy asks for credentials (407)" in fault(asking)
    assert asking.sent == 1


def test_a_proxy_that_does_not_lead_there_is_told_with_its_status(
    proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.start())
    asking = client(f"https://{NAME}")
    assert "the proxy did not lead there (403)" in fault(asking)
    assert asking.sent == 1
    proxy.names[f"{NAME}:443"] = "127.0.0.1:1"
    asking = client(f"https://{NAME}")
    assert "the proxy did not lead there (502)" in fault(asking)
    assert asking.sent == ATTEMPTS


def test_a_proxy_that_is_down_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://clerk:{PASSWORD}@127.0.0.1:1")
    asking = client(f"https://{NAME}")
    assert fault(asking) == "Orchard cannot be reached: the proxy cannot be reached, or broke off"
    assert asking.sent == ATTEMPTS


def test_a_proxy_that_hangs_up_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listening.getsockname()[1]}")
        threading.Thread(target=_hang_up, args=(listening,), daemon=True).start()
        asking = client(f"https://{NAME}")
        fault(asking)
        assert asking.sent == ATTEMPTS


def _hang_up(listening: socket.socket) -> None:
    for _ in range(ATTEMPTS):
        connection, _ = listening.accept()
        connection.recv(4096)
        connection.close()


def test_certificates_are_verified_behind_a_proxy_too(
    proxy: ForwardProxy, port: PortStandIn, authority: PrivateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    port.start(tls=authority.server_context(NAME), name=NAME)
    proxy.names[f"{NAME}:443"] = port.address
    monkeypatch.setenv("HTTPS_PROXY", proxy.start())
    assert "CaBundleSecretArn" in fault(client(port.url))
    with_bundle = client(port.url, str(authority.certificate_file))
    assert with_bundle.request("GET", "/v1/users", ok=(401,)).status == 401


def test_a_host_that_is_left_out_is_asked_directly(
    proxy: ForwardProxy, port: PortStandIn, authority: PrivateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.start())
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    url = port.start(tls=authority.server_context())
    assert client(url, str(authority.certificate_file)).request("GET", "/v1/users", ok=(401,)).status == 401
    assert proxy.requests == []
