"""A TCP proxy that lets bytes through slowly, so that there is time to break something off."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CHUNK = 64 * 1024


@contextmanager
def slow_proxy(
    host: str, bytes_per_second: int, until: threading.Event | None = None, begun: list[str] | None = None
) -> Iterator[str]:
    """Forwards to `host`; answers come at this rate a connection until the event is set. Yields its own address.

    :param begun: gets an entry for each connection on which a blob is on its way.
    """
    full_speed = until or threading.Event()
    blobs: list[str] = [] if begun is None else begun

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            address, port = host.split(":")
            with socket.create_connection((address, int(port))) as upstream:
                threading.Thread(
                    target=_forward, args=(self.request, upstream, 0.0, full_speed, []), daemon=True
                ).start()
                _forward(upstream, self.request, 1 / bytes_per_second, full_speed, blobs)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def _forward(
    source: socket.socket, sink: socket.socket, seconds_a_byte: float, full_speed: threading.Event, begun: list[str]
) -> None:
    told = False
    try:
        while True:
            data = source.recv(_CHUNK)
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(data)
            if len(data) > 4096:  # Not for answers without a body to speak of.
                if not told:
                    begun.append("blob")
                    told = True
                full_speed.wait(seconds_a_byte * len(data))
    except OSError:
        return
