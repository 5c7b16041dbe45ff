"""A TCP proxy that lets bytes through slowly, so that there is time to break something off."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_CHUNK = 64 * 1024


@contextmanager
def slow_proxy(host: str, bytes_per_second: int) -> Iterator[str]:
    """Forwards to `host`; answers come at this rate a connection. Yields the proxy's own address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            address, port = host.split(":")
            with socket.create_connection((address, int(port))) as upstream:
                threading.Thread(target=_forward, args=(self.request, upstream, 0.0), daemon=True).start()
                _forward(upstream, self.request, _CHUNK / bytes_per_second)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def _forward(source: socket.socket, sink: socket.socket, seconds_a_chunk: float) -> None:
    try:
        while True:
            data = source.recv(_CHUNK)
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(data)
            if len(data) > 4096:  # Not for answers without a body to speak of.
                time.sleep(seconds_a_chunk * len(data) / _CHUNK)
    except OSError:
        return
