"""An S3 server on this machine, behind a door that can be shut for a while."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from cluster import free_port


class Door:
    """Passes TCP connections on to a port; while it is shut, nothing answers."""

    def __init__(self, target: int) -> None:
        self.target, self.port = target, free_port()
        self._live: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.raise_up()

    def shut(self, seconds: float) -> None:
        """Cut every connection, answer nothing for so many seconds, then serve again."""
        self.close()
        time.sleep(seconds)
        self.raise_up()

    def close(self) -> None:
        """Cut every connection and answer nothing."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for one in list(self._live):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def raise_up(self) -> None:
        """Listen, again."""
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                self._live |= {client, server}
                for a, b in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    def _pass(self, a: socket.socket, b: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        with contextlib.suppress(OSError):
            b.shutdown(socket.SHUT_RDWR)  # which ends the thread of the other direction
        self._live.discard(a)
        a.close()


@contextlib.contextmanager
def s3() -> Iterator[tuple[dict[str, str], Door]]:
    """Environment variables that lead to a server with the bucket `lab`, and its door."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
    )
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as asked:
                asked.sendall(b"PUT /lab HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
                if b"200" in asked.recv(100):
                    break
            time.sleep(0.2)
        door = Door(port)
        yield (
            {
                "AWS_ACCESS_KEY_ID": "anybody",
                "AWS_SECRET_ACCESS_KEY": "anything",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{door.port}",
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            door,
        )
        door.close()
    finally:
        server.kill()
        server.wait()
