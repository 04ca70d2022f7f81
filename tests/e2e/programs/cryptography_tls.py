# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
"""HTTPS by the OpenSSL that Python's package cryptography has inside, a later release than the
system's:

	cryptography_tls.py version
	cryptography_tls.py client PORT PATH FILE
	cryptography_tls.py server PORT CERTIFICATE FOLDER
"""
import socket
import sys

from cryptography.hazmat.bindings import _rust

lib, ffi = _rust._openssl.lib, _rust._openssl.ffi
SIZE = 65536


def context(method):
    made = lib.SSL_CTX_new(method)
    assert made != ffi.NULL
    return made


def connection(ctx, sock):
    ssl = lib.SSL_new(ctx)
    assert ssl != ffi.NULL and lib.SSL_set_fd(ssl, sock.fileno()) == 1
    return ssl


def handshake(ssl):
    assert lib.SSL_do_handshake(ssl) == 1, "handshake"


def write(ssl, data):
    while data:
        n = lib.SSL_write(ssl, data[:SIZE], min(len(data), SIZE))
        assert n > 0, "write"
        data = data[n:]


def read(ssl):
    buffer = ffi.new("char[]", SIZE)
    n = lib.SSL_read(ssl, buffer, SIZE)
    return bytes(ffi.buffer(buffer, n)) if n > 0 else b""


def client(port, path, file):
    with socket.create_connection(("127.0.0.1", int(port))) as sock:
        ssl = connection(context(lib.TLS_client_method()), sock)
        lib.SSL_set_connect_state(ssl)
        handshake(ssl)
        write(ssl, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
                   "Connection: close\r\n\r\n".encode())
        answer = b""
        while more := read(ssl):
            answer += more
        with open(file, "wb") as out:
            out.write(answer.split(b"\r\n\r\n", 1)[1])
        lib.SSL_shutdown(ssl)
        lib.SSL_free(ssl)


def server(port, certificate, folder):
    ctx = context(lib.TLS_server_method())
    name = certificate.encode()
    assert lib.SSL_CTX_use_certificate_chain_file(ctx, name) == 1
    assert lib.SSL_CTX_use_PrivateKey_file(ctx, name, lib.SSL_FILETYPE_PEM) == 1
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        while True:
            sock = listener.accept()[0]
            ssl = connection(ctx, sock)
            lib.SSL_set_accept_state(ssl)
            if lib.SSL_do_handshake(ssl) == 1:
                request = read(ssl)
                with open(folder + request.split()[1].decode(), "rb") as file:
                    body = file.read()
                write(ssl, f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
                           "Connection: close\r\n\r\n".encode() + body)
                lib.SSL_shutdown(ssl)
            lib.SSL_free(ssl)
            sock.close()


if sys.argv[1] == "version":
    print(_rust.__file__)
    print(ffi.string(lib.OpenSSL_version(0)).decode())
else:
    globals()[sys.argv[1]](*sys.argv[2:])
