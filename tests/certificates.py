"""A certificate authority as company proxies have one, and a server that it vouches for."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def company(folder: Path, *, host: str | None = None, ended: bool = False) -> tuple[Path, ssl.SSLContext]:
    """The CA's file, and the TLS context of a server. The CA lacks what RFC 5280 asks for.

    Args:
        folder: where the files go.
        host: the only host of the server's certificate; this machine if None.
        ended: whether the certificates have expired.
    """
    now = dt.datetime.now(dt.UTC) - dt.timedelta(days=3 * ended)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    ca_key, server_key = keys

    def certificate(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name("Company CA"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )

    basic = x509.BasicConstraints(ca=True, path_length=None)
    ca = certificate("Company CA", ca_key).add_extension(basic, critical=False).sign(ca_key, hashes.SHA256())
    here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    names = x509.SubjectAlternativeName(here if host is None else [x509.DNSName(host)])
    server = certificate("localhost", server_key).add_extension(names, critical=False).sign(ca_key, hashes.SHA256())
    file, chain = folder / "ca.pem", folder / "server.pem"
    file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    chain.write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + server.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    return file, context
