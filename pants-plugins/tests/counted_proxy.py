"""A TCP proxy that counts connections, and refuses them once it is told to."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class CountedProxy:
    """Where it listens, how many connections came, and whether they get any further."""

    def __init__(self) -> None:
        self.host = ""
        self.connections = 0
        self.refuses = False


@contextmanager
def counted_proxy(host: str) -> Iterator[CountedProxy]:
    """Forwards to `host` until it refuses: then each connection is counted and closed."""
    proxy = CountedProxy()
    counting = threading.Lock()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with counting:
                proxy.connections += 1
            if proxy.refuses:
                return
            address, port = host.split(":")
            with socket.create_connection((address, int(port))) as upstream:
                threading.Thread(target=_forward, args=(self.request, upstream), daemon=True).start()
                _forward(upstream, self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        proxy.host = f"127.0.0.1:{server.server_address[1]}"
        try:
            yield proxy
        finally:
            server.shutdown()


def _forward(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(64 * 1024):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
