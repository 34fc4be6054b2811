"""nginx alone, for what files cost it: it serves a folder, and takes what is put there."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.harness.ports import free_port

CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; user root;
events {{ }}
http {{
    access_log off; sendfile on; keepalive_requests 1000000000;
    client_max_body_size 0; client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/1; fastcgi_temp_path {folder}/2; uwsgi_temp_path {folder}/3; scgi_temp_path {folder}/4;
    server {{ listen 127.0.0.1:{port}; root {folder}/files; dav_methods PUT; }}
}}
"""


class Nginx(NamedTuple):
    """Where it listens, and its process."""

    port: int
    pid: int


@contextmanager
def alone() -> Iterator[Nginx | None]:
    """nginx in one process, as long as the block lasts; None where it is not installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        yield None
        return
    with TemporaryDirectory(prefix="xserv-bench-") as scratch:
        folder = Path(scratch)
        (folder / "files").mkdir()
        port = free_port()
        (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port))
        process = subprocess.Popen([program, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
        try:
            _wait_until_it_listens(port, process)
            yield Nginx(port, process.pid)
        finally:
            process.kill()  # it has nothing to save, and without a master process it does not heed SIGTERM at once
            process.wait()


def _wait_until_it_listens(port: int, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise SystemExit(f"nginx has ended with {process.returncode}")
