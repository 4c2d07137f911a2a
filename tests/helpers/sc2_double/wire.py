"""The server's side of one websocket (RFC 6455), as far as pysc2 uses it: whole binary messages from one client.

No library can do it: pysc2 marks its binary messages as text, which every standard-conforming server refuses.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FINAL, BINARY, CLOSE = 0x80, 0x2, 0x8


class Wire:
    """Waits for the one client, then passes its messages on, one by one."""

    def __init__(self, host: str, port: int) -> None:
        with socket.create_server((host, port)) as server:
            self.connection, _ = server.accept()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.connection.makefile("rb")
        head = b"".join(iter(self.stream.readline, b"\r\n"))
        key = re.search(rb"Sec-WebSocket-Key: *(\S+)", head, re.IGNORECASE)[1]
        accepted = base64.b64encode(hashlib.sha1(key + MAGIC).digest())
        self.connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
        )

    def read(self) -> bytes | None:
        """Return the next message; None when the client has gone."""
        message = b""
        while True:
            head = self.stream.read(2)
            if len(head) < 2 or head[0] & 0xF == CLOSE:
                return None
            size = head[1] & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self.stream.read(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self.stream.read(8))
            mask, data = self.stream.read(4), self.stream.read(size)  # a client always masks
            mask = (mask * (size // 4 + 1))[:size]
            message += (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
            if head[0] & FINAL:
                return message

    def write(self, message: bytes) -> None:
        size = len(message)
        if size < 126:
            head = struct.pack(">BB", FINAL | BINARY, size)
        elif size < 2**16:
            head = struct.pack(">BBH", FINAL | BINARY, 126, size)
        else:
            head = struct.pack(">BBQ", FINAL | BINARY, 127, size)
        self.connection.sendall(head + message)
