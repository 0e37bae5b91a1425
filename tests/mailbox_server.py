"""A real SMTP server on loopback that keeps what it accepts, or misbehaves as it is told."""

import contextlib
import email
import email.policy
import socketserver
import threading

POLICY = email.policy.default


class Mailbox:
    """`mode` is one of accept, refuse (550 to every letter), hang (silence after the greeting)."""

    def __init__(self):
        self.mode = "accept"
        self.letters = []
        self.port = 0
        self.stop = threading.Event()

    @property
    def url(self):
        return (
            f"mailto://127.0.0.1:{self.port}/?from=shop@example.vn&to=owner@example.vn&cto=1&rto=1"
        )


class Conversation(socketserver.StreamRequestHandler):
    """One client's visit; the mailbox is an attribute of the server."""

    def handle(self):
        mailbox = self.server.mailbox
        with contextlib.suppress(OSError):
            if mailbox.mode == "hang":
                mailbox.stop.wait(20)
            else:
                self.converse(mailbox)

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def converse(self, mailbox):
        self.say("220 mailbox")
        while line := self.rfile.readline():
            verb = line[:4].upper().strip()
            if verb == b"DATA":
                self.take_letter(mailbox)
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("550 no" if verb == b"MAIL" and mailbox.mode == "refuse" else "250 ok")

    def take_letter(self, mailbox):
        self.say("354 go on")
        lines = iter(self.rfile.readline, b".\r\n")
        mailbox.letters.append(email.message_from_bytes(b"".join(lines), policy=POLICY))
        self.say("250 ok")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextlib.contextmanager
def running_mailbox():
    mailbox = Mailbox()
    with Server(("127.0.0.1", 0), Conversation) as server:
        server.mailbox = mailbox
        mailbox.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield mailbox
        finally:
            mailbox.stop.set()
            server.shutdown()
            thread.join()
