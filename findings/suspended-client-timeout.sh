#!/usr/bin/env bash
# A client that was suspended beyond its timeout, with the response already in its socket.
#
# A process is stopped (Ctrl-Z, a closed laptop, a paused container) after it sent a POST. The server answers meanwhile,
# within the timeout; the process then continues. Seen with aiohttp 3.14.5, httpx 0.28.1, requests 2.34.2, urllib3 2.8.0
# and openai 3.54.0 on CPython 3.11, Linux:
#
#   urllib3, requests, httpx.Client   return the response
#   aiohttp, httpx.AsyncClient        raise a timeout: the timer wins over the bytes that are there to be read
#   openai.AsyncOpenAI                sends the POST a second time, by its default of two retries
#
# For a POST that is paid for, the asynchronous clients lose the id of what was bought, or buy it again.
set -euo pipefail
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet aiohttp==3.14.5 httpx==0.28.1 requests==2.34.2 urllib3==2.8.0 openai==3.54.0
cat > "$folder/suspend.py" <<'PYTHON'
"""Suspend each client between its request and the response, and show what it makes of it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

ANSWER_AFTER, SUSPENDED = 0.6, 3.0

AIOHTTP = """
import aiohttp
async def send(url):
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        async with session.post(url, json={}) as response:
            return await response.text()
"""
HTTPX_ASYNC = """
import httpx
async def send(url):
    async with httpx.AsyncClient(timeout=2) as client:
        return (await client.post(url, json={})).text
"""
OPENAI = """
import openai
async def send(url):
    async with openai.AsyncOpenAI(api_key="none", base_url=url, timeout=2) as client:
        return "ok" if await client.post("/videos", cast_to=object, body={}) else "nothing"
"""
HTTPX = """
import httpx
async def send(url):
    return httpx.post(url, json={}, timeout=2).text
"""
REQUESTS = """
import requests
async def send(url):
    return requests.post(url, json={}, timeout=2).text
"""
URLLIB3 = """
import urllib3
async def send(url):
    return urllib3.request("POST", url, json={}, timeout=2, retries=False).data.decode()
"""
RUN = """
import asyncio, sys
try:
    print("response", asyncio.run(send(sys.argv[1])))
except Exception as error:
    print(type(error).__module__.partition(".")[0], type(error).__name__)
"""
RESPONSE = '"ok"'
EXPECTED = {
    "urllib3": (URLLIB3, f"response {RESPONSE}", 1),
    "requests": (REQUESTS, f"response {RESPONSE}", 1),
    "httpx": (HTTPX, f"response {RESPONSE}", 1),
    "aiohttp": (AIOHTTP, "builtins TimeoutError", 1),
    "httpx, async": (HTTPX_ASYNC, "httpx ReadTimeout", 1),
    "openai, async": (OPENAI, "response ok", 2),
}


def serve(listener: socket.socket, requests: list[bytes]) -> None:
    """Answer each request after a while, and keep the connection open."""

    def answer(connection: socket.socket) -> None:
        requests.append(connection.recv(65536))
        time.sleep(ANSWER_AFTER)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(RESPONSE)}\r\n\r\n"
        connection.sendall(head.encode() + RESPONSE.encode())
        with contextlib.suppress(ConnectionError):
            connection.recv(1)

    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


failed = False
for name, (program, expected, count) in EXPECTED.items():
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, requests), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        client = subprocess.Popen([sys.executable, "-c", program + RUN, url], stdout=subprocess.PIPE, text=True)
        while not requests:
            time.sleep(0.01)
        os.kill(client.pid, signal.SIGSTOP)
        time.sleep(SUSPENDED)
        os.kill(client.pid, signal.SIGCONT)
        seen = client.communicate(timeout=30)[0].strip()
    is_expected = (seen, len(requests)) == (expected, count)
    failed |= not is_expected
    print(f"{name:14} {seen:24} requests received: {len(requests)}{'' if is_expected else '   CHANGED'}")
sys.exit(failed)
PYTHON
"$folder/venv/bin/python" "$folder/suspend.py"
