# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
"""Exchanges of tokens over HTTPS with asyncio, which keeps TLS away from the socket.

    exchange.py client PORT CONNECTIONS [put]    all connections are open at the same time
    exchange.py server PORT CERTIFICATE

Three times on each connection, the client sends a body that nobody else sends (with `put`,
PUT and GET of the same). For each body it says on standard output

    CLIENT-PORT > SHA256    of what it sent
    CLIENT-PORT < SHA256    of what came back

The server answers a POST with the body backwards. Bodies are hexadecimal digits, of about
100 bytes, 20,000 bytes (more than one TLS record) and 3,000 bytes. Exits 1 when an answer is
not what it must be.
"""
import asyncio
import hashlib
import secrets
import ssl
import sys

SIZES = (50, 10000, 1500)


async def read_message(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = 0
    chunked = False
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            length = int(value)
        chunked |= name.lower() == "transfer-encoding"
    if chunked:
        raise ValueError("chunked: " + head)
    return head, await reader.readexactly(length)


async def serve(reader, writer):
    try:
        while True:
            _, body = await read_message(reader)
            body = body[::-1]
            # Two writes: the head and the body stand in two records.
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                         b"Content-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def run_server(port, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context, backlog=200,
                                        limit=1 << 20)
    async with server:
        await server.serve_forever()


def say(port, way, body):
    print(port, way, hashlib.sha256(body).hexdigest(), flush=True)


async def request(reader, writer, method, path, body):
    writer.write(("%s %s HTTP/1.1\r\nHost: server.test\r\nContent-Type: text/plain\r\n"
                  "Content-Length: %d\r\n\r\n" % (method, path, len(body))).encode() + body)
    await writer.drain()
    head, answer = await read_message(reader)
    if not head.startswith("HTTP/1.1 20"):
        raise ValueError(head)
    return answer


async def converse(port, put, connected):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=1 << 20)
    local = writer.get_extra_info("sockname")[1]
    await connected.wait()
    for size in SIZES:
        body = secrets.token_hex(size).encode()
        path = "/" + body[:16].decode()
        if put:
            answer = await request(reader, writer, "PUT", path, body)
            say(local, ">", body)
            if answer:
                say(local, "<", answer)
            answer = await request(reader, writer, "GET", path, b"")
            expected = body
        else:
            answer = await request(reader, writer, "POST", path, body)
            say(local, ">", body)
            expected = body[::-1]
        say(local, "<", answer)
        if answer != expected:
            raise ValueError("a wrong answer")
    writer.close()
    try:
        await writer.wait_closed()
    except (ConnectionError, ssl.SSLError):
        pass


async def run_client(port, connections, put):
    connected = asyncio.Barrier(connections)
    await asyncio.gather(*(converse(port, put, connected) for _ in range(connections)))


if sys.argv[1] == "server":
    asyncio.run(run_server(int(sys.argv[2]), sys.argv[3]))
else:
    asyncio.run(run_client(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] == ["put"]))
