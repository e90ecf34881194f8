"""nginx on loopback with files that are accepted as PDFs, plain and with TLS, on the second core."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

LARGE, SMALL, COUNT = 1 << 30, 200_000, 2000

CONFIG = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000; types {{ application/pdf pdf; }}
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{plain}; root {folder}/files; }}
  server {{ listen 127.0.0.1:{tls} ssl; root {folder}/files;
            ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; }}
}}
"""


@frozen
class Served:
    """The addresses of the files."""

    folder: Path
    plain: str
    tls: str
    certificate: Path
    out: Path
    """A folder in memory for downloads, so that the disk is not measured."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _fill(path: Path, size: int) -> None:
    block = os.urandom(1 << 16)
    with path.open("wb") as file:
        file.write(b"%PDF-1.7\n")
        while file.tell() < size - len(block) - 6:
            file.write(block)
        file.write(block[: size - 6 - file.tell()] + b"%%EOF\n")


@contextmanager
def nginx() -> Iterator[Served]:
    """Runs nginx for the duration of the block."""
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of our own is made in it
    folder = Path(tempfile.mkdtemp(prefix="aps-async-bench-", dir=base))
    folder.chmod(0o755)
    try:
        files = folder / "files"
        files.mkdir()
        (folder / "out").mkdir()
        _fill(files / "large.pdf", LARGE)
        _fill(files / "small.pdf", SMALL)
        for number in range(COUNT):
            (files / f"{number}.pdf").hardlink_to(files / "small.pdf")
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=127.0.0.1",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-keyout",
                folder / "key.pem",
                "-out",
                folder / "cert.pem",
            ],
            check=True,
            capture_output=True,
        )
        plain, tls = _free_port(), _free_port()
        (folder / "conf").write_text("user root;" + CONFIG.format(folder=folder, plain=plain, tls=tls))
        server = subprocess.Popen(["nginx", "-c", folder / "conf", "-p", folder])
        os.sched_setaffinity(server.pid, {max(os.sched_getaffinity(0))})
        try:
            _wait_for(plain)
            yield Served(
                folder, f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}", folder / "cert.pem", folder / "out"
            )
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(folder)


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("nginx did not start")
