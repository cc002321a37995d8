"""Peers that alerts are sent to: a mail server (aiosmtpd) with STARTTLS and a login, and a web service.

Prints its ports and its certificate authority, then one line of JSON for each thing it was given. Ends with its parent.
Usage: alerts.py FOLDER [SMTP_PORT]
"""

import asyncio
import email
import email.policy
import json
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult

FOLDER = Path(sys.argv[1])
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 0
LOGIN = (b"ridethrough", b"right horse")


def say(**what):
    print(json.dumps(what), flush=True)


def openssl(*args):
    subprocess.run(["openssl", *args], cwd=FOLDER, check=True, capture_output=True)


def certificates():
    """An authority of our own, and a certificate for 127.0.0.1 that it signed."""
    if not (FOLDER / "server.pem").exists():
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority",
                "-addext", "basicConstraints=critical,CA:TRUE")
        (FOLDER / "ext").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=mail")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
                "-extfile", "ext", "-out", "server.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / "server.pem", FOLDER / "server.key")
    return context


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say(kind="mail", subject=mail["Subject"], to=envelope.rcpt_tos, sender=envelope.mail_from,
            text=mail.get_content(), tls=session.ssl is not None, user=session.authenticated)
        return "250 OK"


def login(server, session, envelope, mechanism, data):
    # "Not handled": the server itself answers 535.
    return AuthResult(success=(data.login, data.password) == LOGIN, handled=False)


class Service(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        say(kind="webhook", path=self.path, token=self.headers.get("Authorization"), body=body)
        self.send_response(204 if self.path == "/hook" else 403)
        self.end_headers()

    def log_message(self, *_):
        pass


async def main():
    def smtp():
        return SMTP(Mailbox(), tls_context=certificates(), require_starttls=True, authenticator=login, auth_required=True)

    server = await asyncio.get_running_loop().create_server(smtp, "127.0.0.1", PORT)
    web = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    certificates()
    say(kind="ports", smtp=server.sockets[0].getsockname()[1], web=web.server_port, ca=str(FOLDER / "ca.pem"))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
