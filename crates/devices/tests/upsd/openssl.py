"""STARTTLS as upsd does it, by OpenSSL: answers "OK STARTTLS", makes the handshake, passes everything on to a plain upsd.

Arguments: folder of certificates, port of upsd, "request" where clients must show a certificate. Prints its own port.
Ends with its standard input.
"""
import os
import socket
import ssl
import sys
import threading

folder, upsd, request = sys.argv[1], int(sys.argv[2]), sys.argv[3:] == ["request"]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
if request:
    context.load_verify_locations(f"{folder}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED


def line(sock):
    read = b""
    while not read.endswith(b"\n"):
        byte = sock.recv(1)
        if not byte:
            break
        read += byte
    return read


def attend(sock):
    with sock, socket.create_connection(("127.0.0.1", upsd)) as behind:
        if line(sock).strip() != b"STARTTLS":
            sock.sendall(b"ERR ACCESS-DENIED\n")
            return
        sock.sendall(b"OK STARTTLS\n")
        try:
            secured = context.wrap_socket(sock, server_side=True)
            while asked := line(secured):
                behind.sendall(asked)
                answer = line(behind)
                secured.sendall(answer)
                while answer.startswith(b"BEGIN") or not answer:
                    row = line(behind)
                    secured.sendall(row)
                    if row.startswith(b"END") or not row:
                        break
        except OSError:
            pass


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], ssl.OPENSSL_VERSION, flush=True)


def accept():
    while True:
        threading.Thread(target=attend, args=(listener.accept()[0],), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()
os._exit(0)
