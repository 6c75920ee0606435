#!/usr/bin/env bash
# libcurl sends a POST again, by itself, when a server reads it over a kept connection and closes without a response.
#
# The server has the whole request, and may have acted on it: it read it, and its process ended before the response. Over
# a first connection curl reports that (CURLE_GOT_NOTHING); over a connection that has carried a request before, it takes
# the closing for an idle connection's end, connects anew and sends the same POST once more. The caller sees one successful
# request. For an API that charges for each POST it is paid for twice. No option switches it off but the one that forbids
# connections to be used again (CURLOPT_FORBID_REUSE, CURLOPT_FRESH_CONNECT), and it is not what --retry does.
#
#   pycurl 7.49.0 (its wheel's libcurl), curl_cffi 0.17.0   POST over a kept connection     sent 2 times, no error
#                                                           POST over a connection of its own   sent once, an error
#
# Exits non-zero when the behaviour is no longer the one above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pycurl==7.49.0 curl_cffi==0.17.0
cat > post.py <<'PYTHON'
import socketserver
import sys
import threading
from io import BytesIO

import curl_cffi
import curl_cffi.requests
import pycurl

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
received: list[str] = []


class Handler(socketserver.StreamRequestHandler):
    """Read each request to its end; close without a response after the first one to /song."""

    timeout = 10

    def handle(self) -> None:
        while line := self.rfile.readline():
            path, length = line.split()[1].decode(), 0
            while (header := self.rfile.readline()).strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            self.rfile.read(length)
            received.append(path)
            if path == "/song" and received.count("/song") == 1:
                return
            self.wfile.write(RESPONSE)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def by_pycurl(url: str, *, is_kept: bool) -> str:
    curl = pycurl.Curl()
    curl.setopt(pycurl.TIMEOUT, 20)
    curl.setopt(pycurl.WRITEDATA, BytesIO())
    try:
        for path in ("/credits", "/song"):
            curl.setopt(pycurl.URL, url + path)
            curl.setopt(pycurl.FRESH_CONNECT, not is_kept)
            if path == "/song":
                curl.setopt(pycurl.POSTFIELDS, "{}")
            curl.perform()
        return f"status {curl.getinfo(pycurl.RESPONSE_CODE)}"
    except pycurl.error as error:
        return f"error {error.args[0]}"
    finally:
        curl.close()


def by_curl_cffi(url: str, *, is_kept: bool) -> str:
    with curl_cffi.requests.Session(timeout=20) as session:
        try:
            if is_kept:
                session.get(url + "/credits")
            return f"status {session.post(url + '/song', data='{}').status_code}"
        except curl_cffi.requests.RequestsError as error:
            return f"error {error.code}"


print("pycurl", pycurl.version)
print("curl_cffi", curl_cffi.__version__)
failed = False
with Server(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    for send in (by_pycurl, by_curl_cffi):
        for is_kept, times, outcome in ((True, 2, "status 200"), (False, 1, "error 52")):
            received.clear()
            found = send(url, is_kept=is_kept)
            sent = received.count("/song")
            print(f"{send.__name__}, {'a kept' if is_kept else 'its own'} connection: POST sent {sent} times, {found}")
            failed |= (sent, found) != (times, outcome)
    server.shutdown()
sys.exit(failed)
PYTHON
venv/bin/python post.py
