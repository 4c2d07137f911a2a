"""`python -S -E start.py SOCKET MODULE WORDS...`: have a fork of the server run a module, and end as it ends.

Needs nothing but the standard library, so that it starts at once. If it is killed, the server kills the fork.
"""

import json
import os
import signal
import socket
import sys

path, *words = sys.argv[1:]
request = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect(path)
    socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
    fork = int(server.recv(99))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(fork, number))
    code = int(server.recv(99) or 1)
if code < 0:
    if -code in (signal.SIGINT, signal.SIGTERM):
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
