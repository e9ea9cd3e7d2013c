#!/usr/bin/env python3
"""A server on loopback for tests of downloads: https_server.py FOLDER.

FOLDER holds cert.pem and key.pem. Prints its port, then one line for every connection that ended. As a proxy
(CONNECT) it is itself whatever server was asked for. It stops when its standard input ends.
"""

import os
import socket
import ssl
import sys
import threading
import time

CONTENT = b"0123456789 the content of a published file"


def respond(connection, path, port):
    def head(status, *lines):
        connection.sendall("\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *lines, "", ""]).encode())

    if path == "/file":
        head("200 OK", f"Content-Length: {len(CONTENT)}")
        connection.sendall(CONTENT)
    elif path == "/moved":
        head("302 Found", f"Location: https://localhost:{port}/file", "Content-Length: 0")
    elif path == "/to_http":
        head("302 Found", f"Location: http://localhost:{port}/file", "Content-Length: 0")
    elif path == "/announced_large":
        head("200 OK", "Content-Length: 1000000000000")
        connection.sendall(CONTENT)
    elif path == "/endless":
        head("200 OK")
        while True:
            connection.sendall(bytes(65536))
    elif path == "/truncated":
        head("200 OK", f"Content-Length: {len(CONTENT)}")
        connection.sendall(CONTENT[:10])
    elif path == "/stall" or path.endswith(".zip"):
        head("200 OK", f"Content-Length: {len(CONTENT)}")
        connection.sendall(CONTENT[:10])
        print("stalled", flush=True)
        connection.recv(1)
    else:
        head("404 Not Found", "Content-Length: 0")


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(4096)
        if not part:
            return ["", ""]
        head += part
    return head.split(b"\r\n")[0].decode().split()


def serve(connection, context, port):
    try:
        if connection.recv(1, socket.MSG_PEEK) == b"C":
            read_head(connection)
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as secure:
            respond(secure, read_head(secure)[1], port)
    except OSError:
        pass  # the other side's right
    print("ended", flush=True)


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(sys.argv[1], "cert.pem"), os.path.join(sys.argv[1], "key.pem"))
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    print(port, flush=True)

    def accept():
        while True:
            connection = listener.accept()[0]
            threading.Thread(target=serve, args=(connection, context, port), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    while sys.stdin.buffer.read(1):
        time.sleep(0)
    os._exit(0)


main()
