# SPDX-License-Identifier: Apache-2.0
"""NATS's own protocol, to read the streams and to send messages that no node would send."""

import base64
import json
import socket


class Wire:
    def __init__(self, server):
        self.socket = socket.create_connection((server.host, server.port), timeout=10)
        self.lines = self.socket.makefile("rb")
        self.lines.readline()
        self.socket.sendall(b'CONNECT {"verbose":false}\r\nSUB answer 1\r\n')

    def ask(self, subject, body):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.socket.sendall(f"PUB {subject} answer {len(body)}\r\n".encode() + body + b"\r\n")
        while not (line := self.lines.readline()).startswith(b"MSG answer"):
            if line == b"PING\r\n":
                self.socket.sendall(b"PONG\r\n")
            assert line, "the server closed the connection"
        got = self.lines.read(int(line.split()[-1]) + 2)
        return json.loads(got)

    def message(self, stream, sequence):
        """(subject, content) of one message; None if it was removed."""
        found = self.ask(f"$JS.API.STREAM.MSG.GET.{stream}", {"seq": sequence}).get("message")
        return found and (found["subject"], base64.b64decode(found.get("data", "")))

    def messages(self, stream):
        """All messages of a stream, in order."""
        state = self.ask(f"$JS.API.STREAM.INFO.{stream}", {})["state"]
        found = [self.message(stream, i) for i in range(state["first_seq"], state["last_seq"] + 1)]
        return [one for one in found if one]

    def subjects(self, stream):
        """How many messages each subject of a stream has."""
        return self.ask(f"$JS.API.STREAM.INFO.{stream}", {"subjects_filter": ">"})["state"].get("subjects") or {}

    def purge(self, stream, subject):
        """Removes all messages of one subject."""
        assert self.ask(f"$JS.API.STREAM.PURGE.{stream}", {"filter": subject})["success"]

    def close(self):
        self.lines.close()
        self.socket.close()
