"""A mail server on loopback that keeps what it is given, or refuses it. Standard library only, as the other doubles."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from email.message import EmailMessage
from typing import Self


class MailDouble:
    """``messages`` are (recipients, message). ``refuse`` makes it answer 550 to every recipient, ``offers`` are its
    extensions."""

    def __init__(self) -> None:
        self.messages: list[tuple[list[str], EmailMessage]] = []
        self.logins = 0
        self.refuse = False
        self.offers: tuple[str, ...] = ("AUTH PLAIN LOGIN",)

    def __enter__(self) -> Self:
        double = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, text: str) -> None:
                self.wfile.write(text.encode() + b"\r\n")

            def handle(self) -> None:
                self.say("220 double")
                recipients: list[str] = []
                while line := self.rfile.readline().decode().strip():
                    word = line.partition(" ")[0].upper()
                    if word == "EHLO":
                        for offer in double.offers:
                            self.say(f"250-{offer}")
                        self.say("250 8BITMIME")
                    elif word == "AUTH":
                        double.logins += 1
                        self.say("235 in")
                    elif word == "RCPT":
                        recipients.append(line.partition(":")[2].strip(" <>"))
                        self.say("550 no" if double.refuse else "250 ok")
                    elif word == "DATA":
                        self.say("354 go on")
                        double.messages.append((recipients, self._message()))
                        self.say("250 taken")
                    elif word == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok")

            def _message(self) -> EmailMessage:
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                return email.message_from_bytes(b"".join(lines), policy=email.policy.default)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """For SMTP_URL."""
        return f"smtp://127.0.0.1:{self._server.server_address[1]}"
