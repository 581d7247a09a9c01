"""A secret with certificates becomes the file they are verified against; what is none is said, and what to do."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import pytest

from bitbucket_port.ca_bundle import CaBundle, certificates
from bitbucket_port.errors import SettingsError
from bitbucket_port.secrets import Secret
from local.standins.certificates import PrivateAuthority


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> str:
    return PrivateAuthority(tmp_path_factory.mktemp("one")).certificate


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> str:
    return PrivateAuthority(tmp_path_factory.mktemp("two")).certificate


def in_file(path: str) -> int:
    """How many certificates a TLS client reads out of a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(path)
    return context.cert_store_stats()["x509"]


def test_the_file_has_the_public_authorities_and_our_own(pem: str, another: str) -> None:
    bundle = CaBundle(lambda: Secret(f"# Acme\n{pem}\n# its issuer\n{another}", "1"))
    assert in_file(bundle.path()) == in_file(certifi.where()) + 2


def test_it_is_written_once_and_again_only_for_another_version(
    pem: str, another: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = Path.write_text

    def counted(path: Path, text: str, encoding: str) -> int:
        written.append(text)
        return write(path, text, encoding=encoding)

    monkeypatch.setattr(Path, "write_text", counted)
    secrets = [Secret(pem * 2, "1"), Secret(pem * 2 + another, "2")]
    bundle = CaBundle(lambda: secrets[0])
    first = bundle.path()
    assert (bundle.path(), CaBundle(lambda: secrets[0]).path(), len(written)) == (first, first, 1)
    del secrets[0]
    second = bundle.path()
    assert (bundle.path(), second != first, len(written)) == (second, True, 2)
    assert (in_file(second), Path(first).exists()) == (in_file(first) + 1, True)


def test_nobody_else_can_write_where_the_file_is(pem: str) -> None:
    folder = Path(CaBundle(lambda: Secret(pem, "1")).path()).parent
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_file_outlives_whoever_asked_for_it(pem: str) -> None:
    assert Path(CaBundle(lambda: Secret(pem, "1")).path()).exists()


@pytest.mark.parametrize("joined", [" ", "\\n", "\r\n", "\n    "])
def test_lines_that_a_console_or_an_editor_joined_are_no_obstacle(pem: str, joined: str) -> None:
    assert certificates(joined.join(pem.splitlines())) == certificates(pem)


def test_what_is_no_certificate_is_left_out_of_the_file(pem: str) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n"
    path = CaBundle(lambda: Secret(key + pem, "1")).path()
    assert "PRIVATE KEY" not in Path(path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no certificate"),
        ("hush-hush", "holds no certificate"),
        ('{"hush-hush": "file://ca.pem"}', "holds no certificate"),
        ("-----BEGIN PRIVATE KEY-----\nhush-hush\n-----END PRIVATE KEY-----", "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\nhush-hush\n-----END CERTIFICATE-----", "certificate 1 in .* cannot be read"),
        ("-----BEGIN CERTIFICATE-----\naHVzaC1odXNo\n-----END CERTIFICATE-----", "certificate 1 in .* cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nhush-hush\n", "holds no certificate"),
    ],
)
def test_what_holds_no_certificate_is_said_with_what_to_do_and_nothing_of_it(text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=rf"{told}.*--secret-string file://ca\.pem") as raised:
        CaBundle(lambda: Secret(text, "1")).path()
    assert "CaBundleSecretArn" in str(raised.value)
    assert "hush" not in str(raised.value)


def test_half_a_bundle_is_none(pem: str, another: str) -> None:
    with pytest.raises(SettingsError, match="has no end"):
        certificates(pem + another[: len(another) // 2])
    with pytest.raises(SettingsError, match="certificate 2"):
        certificates(pem + another.replace("MII", "M!!", 1))


def test_a_bundle_that_became_useless_is_said_and_one_put_right_counts_again(pem: str) -> None:
    secrets = [Secret(pem, "1")]
    bundle = CaBundle(lambda: secrets[-1])
    first = bundle.path()
    secrets.append(Secret("gone", "2"))
    for _ in range(2):
        with pytest.raises(SettingsError):
            bundle.path()
    secrets.append(Secret(pem, "3"))
    assert bundle.path() == first
