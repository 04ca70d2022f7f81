# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
"""keepalive.py ADDRESS PORT SENT RECEIVED: one TLS connection, used when it is told.

For each PATH on standard input, until an empty one: GET PATH, and a line on standard output when the answer is
there. What it sent and received goes to the two files, as it is. The first line that it says,
before it reads any, is its port.
"""
import socket
import ssl
import sys

address, port, sent_file, received_file = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
connection = context.wrap_socket(socket.create_connection((address, int(port))))
print(connection.getsockname()[1], flush=True)
with open(sent_file, "wb") as sent, open(received_file, "wb") as received:
    for path in sys.stdin:
        path = path.rstrip("\n")
        if not path:
            break
        request = ("GET %s HTTP/1.1\r\nHost: server.test\r\n\r\n" % path).encode()
        connection.sendall(request)
        sent.write(request)
        sent.flush()
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = connection.recv(65536)
            if not piece:
                sys.exit("the server ended the connection")
            answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        left = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]) - len(body)
        received.write(answer)
        while left:
            piece = connection.recv(min(left, 65536))
            if not piece:
                sys.exit("the server ended the connection")
            received.write(piece)
            left -= len(piece)
        received.flush()
        print(path, len(body), flush=True)
connection.close()
