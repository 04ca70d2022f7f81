# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
"""many.py PORT: TLS connections that are open at one time.

For each NUMBER on standard input: opens so many, one after the other, asks each for /hello, closes all, and says
"done" on standard output.
"""
import socket
import ssl
import sys

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
for line in sys.stdin:
    connections = []
    for _ in range(int(line)):
        connection = context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: server.test\r\n\r\n")
        answer = b""
        while b"hello\n" not in answer:
            piece = connection.recv(65536)
            if not piece:
                sys.exit("the server ended the connection")
            answer += piece
        connections.append(connection)
    for connection in connections:
        connection.close()
    print("done", flush=True)
