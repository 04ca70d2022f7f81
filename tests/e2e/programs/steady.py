# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
"""steady.py CERTIFICATE PORT FOLDER MESSAGES SECONDS [TLS-VERSION [BYTES]]: one long connection.

Both ends are in this process. The client sends MESSAGES messages in SECONDS seconds, evenly,
and the server answers each with one of BYTES bytes (1000). What was said is in FOLDER/up and
FOLDER/down, as it is. No message is like another one.
"""
import hashlib
import socket
import ssl
import sys
import threading
import time

certificate, port, folder, messages, seconds = sys.argv[1:6]
version = sys.argv[6] if len(sys.argv) > 6 else "1.3"
size = int(sys.argv[7]) if len(sys.argv) > 7 else 1000
messages, seconds = int(messages), float(seconds)
kind = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]


def body(number, length):
    out = b""
    for part in range(length // 32 + 1):
        out += hashlib.sha256(b"%d %d" % (number, part)).digest()
    return out[:length]


def read_exactly(connection, length):
    out = b""
    while len(out) < length:
        part = connection.recv(length - len(out))
        if not part:
            raise EOFError
        out += part
    return out


listener = socket.create_server(("127.0.0.1", int(port)))


def serve():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with context.wrap_socket(listener.accept()[0], server_side=True) as connection, \
            open(folder + "/down", "wb") as down:
        for number in range(messages):
            read_exactly(connection, 100)
            answer = body(-1 - number, size)
            connection.sendall(answer)
            down.write(answer)


server = threading.Thread(target=serve)
server.start()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.minimum_version = context.maximum_version = kind
begin = time.monotonic()
with context.wrap_socket(socket.create_connection(("127.0.0.1", int(port))),
                         server_hostname="server.test") as client, \
        open(folder + "/up", "wb") as up:
    for number in range(messages):
        wait = begin + seconds * number / messages - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        question = body(number, 100)
        client.sendall(question)
        up.write(question)
        read_exactly(client, size)
server.join()
