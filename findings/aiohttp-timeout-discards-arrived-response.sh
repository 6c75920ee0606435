#!/usr/bin/env bash
# aiohttp 3.14.5, CPython 3.11: a process that is stopped (Ctrl-Z and fg) beyond a timeout raises TimeoutError on its
# return, although a complete response has been in the socket's buffer all the while.
# For a POST that is paid for, "timed out" is then said of a request that was answered. Seen with ClientTimeout(total=1). Exits 0 while that is so, else 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "aiohttp==3.14.5"
cat > "$folder/client.py" <<'PYTHON'
import asyncio
import sys

import aiohttp


async def main(url: str) -> None:
    timeout = aiohttp.ClientTimeout(total=1.0)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.post(url, data=b"{}") as response:
            print("the response:", await response.text())
    except TimeoutError as error:
        print(type(error).__name__)


asyncio.run(main(sys.argv[1]))
PYTHON
cat > "$folder/server.py" <<'PYTHON'
import signal
import socket
import subprocess
import sys
import time

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"task_id":"t-1"}'
with socket.create_server(("127.0.0.1", 0)) as listening:
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    client = subprocess.Popen([sys.executable, sys.argv[1], url], stdout=subprocess.PIPE, text=True)
    connection, _ = listening.accept()
    with connection:
        while b"\r\n\r\n{}" not in connection.recv(65536, socket.MSG_PEEK):
            pass
        time.sleep(0.1)
        client.send_signal(signal.SIGSTOP)
        connection.sendall(ANSWER)
        time.sleep(2)
        client.send_signal(signal.SIGCONT)
        said, _ = client.communicate()
print(f"total=1.0, stopped for 2 s, answered at once: {said.strip()}")
sys.exit(0 if said.strip() == "TimeoutError" else 1)
PYTHON
"$folder/venv/bin/python" "$folder/server.py" "$folder/client.py"
