# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
"""HTTPS over kinds of sockets and of reads that few programs use.

    kinds.py server KIND PORT CERTIFICATE FOLDER   serves FOLDER's files; "ready" when it listens
    kinds.py client KIND PORT FILE...              gets each over a connection of its own

KIND: bytewise (TLS in memory, a record's header read byte by byte), mptcp, fastopen (the first
bytes are in the SYN; TCP_FASTOPEN_CONNECT), blocking-fastopen (with MSG_FASTOPEN).
"""
import os
import socket
import ssl
import sys
import threading

IPPROTO_MPTCP = 262
TCP_FASTOPEN_CONNECT = 30
MSG_FASTOPEN = 0x20000000


class Bytewise:
    """TLS in memory over a socket; headers come in pieces of 1, 1, 1 and 2 bytes."""

    def __init__(self, context, sock, server, first=None):
        self.sock, self.first = sock, first
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=server)
        self.call(self.tls.do_handshake)

    def flush(self):
        data = self.outgoing.read()
        if data and self.first:
            self.first(data)
            self.first = None
        elif data:
            self.sock.sendall(data)

    def read_exactly(self, size, piece):
        data = b""
        while len(data) < size:
            got = self.sock.recv(min(piece, size - len(data)))
            if not got:
                raise EOFError
            data += got
        return data

    def read_record(self):
        header = self.read_exactly(3, 1) + self.read_exactly(2, 2)
        self.incoming.write(header + self.read_exactly(header[3] << 8 | header[4], 65536))

    def call(self, function, *arguments):
        while True:
            try:
                result = function(*arguments)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                self.read_record()

    def sendall(self, data):
        self.call(self.tls.write, data)

    def recv(self, size):
        return self.call(self.tls.read, size)

    def close(self):
        self.sock.close()


def new_socket(kind):
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM,
                         IPPROTO_MPTCP if kind == "mptcp" else 0)


def read_head(stream):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        got = stream.recv(1)
        if not got:
            raise EOFError
        head += got
    return head.decode()


def serve(kind, context, sock, folder):
    try:
        stream = (Bytewise(context, sock, True) if kind == "bytewise"
                  else context.wrap_socket(sock, server_side=True))
        head = read_head(stream)
    except (EOFError, OSError):  # somebody who only looks whether the port is open
        sock.close()
        return
    with open(os.path.join(folder, os.path.basename(head.split()[1])), "rb") as file:
        body = file.read()
    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                   b"Content-Length: %d\r\n\r\n" % len(body) + body)
    try:
        stream.recv(1)  # the client's close
    except (EOFError, OSError):
        pass
    stream.close()


def server(kind, port, certificate, folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = new_socket(kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if kind.endswith("fastopen"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    listener.bind(("127.0.0.1", port))
    listener.listen(16)
    print("ready", flush=True)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(kind, context, sock, folder), daemon=True).start()


def connect(kind, context, port):
    address = ("127.0.0.1", port)
    sock = new_socket(kind)
    if kind == "blocking-fastopen":
        return Bytewise(context, sock, False,
                        lambda data: sock.sendto(data, MSG_FASTOPEN, address))
    if kind == "fastopen":
        sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
    sock.connect(address)
    # ssl's own sockets do not wait for a connection that the first bytes make.
    if kind in ("bytewise", "fastopen"):
        return Bytewise(context, sock, False)
    return context.wrap_socket(sock)


def client(kind, port, names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name in names:
        stream = connect(kind, context, port)
        stream.sendall(f"GET /{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = read_head(stream)
        left = int(head.split("Content-Length: ")[1].split()[0])
        while left:
            got = stream.recv(left)
            if not got:
                sys.exit("the answer ended early")
            left -= len(got)
        stream.close()


if sys.argv[1] == "server":
    server(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
else:
    client(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
