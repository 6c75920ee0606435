#!/usr/bin/env bash
# s3fs sends a LIST request for each object that is not there, and a HEAD before each GET of a whole object.
#
# "Is the object there, and if not, make it" is how a program resumes. S3 charges a LIST like a PUT, more than ten times a GET,
# and it needs a right of its own, s3:ListBucket, that a program which only reads and writes known names may lack. The LIST is
# known to its makers (issue 320, of 2020, closed).
#
#   s3fs 2026.9.0, aiobotocore 3.10.0   exists(), info() of a missing object   HeadObject, ListObjectsV2
#                                       cat_file() of a missing object         HeadObject, ListObjectsV2
#                                       cat_file() of an object                HeadObject, GetObject
#                                       cat_file(start=0, end=6) of it         GetObject
#
# Exits non-zero when the behaviour is no longer the one above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check s3fs==2026.9.0 aiobotocore==3.10.0 botocore==1.43.117 \
    "moto[s3]==5.2.5" boto3==1.43.117 flask==3.1.3 flask-cors==6.0.5
cat > sent.py <<'PYTHON'
import asyncio
import logging
import sys
from collections.abc import Awaitable

import s3fs
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)


async def main(endpoint: str) -> dict[str, list[str]]:
    store = s3fs.S3FileSystem(key="key", secret="secret", endpoint_url=endpoint, asynchronous=True)
    client = await store.set_session()
    await client.create_bucket(Bucket="songs")
    await client.put_object(Bucket="songs", Key="there", Body=b"a song")
    sent: list[str] = []
    client.meta.events.register("before-call.s3", lambda model, **_: sent.append(model.name))

    async def sent_by(operation: Awaitable[object]) -> list[str]:
        sent.clear()
        try:
            await operation
        except FileNotFoundError:
            pass
        return list(sent)

    seen = {
        "exists, missing": await sent_by(store._exists("songs/missing")),
        "info, missing": await sent_by(store._info("songs/missing")),
        "cat_file, missing": await sent_by(store._cat_file("songs/missing")),
        "cat_file": await sent_by(store._cat_file("songs/there")),
        "cat_file with a range": await sent_by(store._cat_file("songs/there", start=0, end=6)),
    }
    await client.close()
    return seen


server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
found = asyncio.run(main(f"http://{host}:{port}"))
server.stop()
for what, calls in found.items():
    print(f"{what}: {', '.join(calls)}")
missing = ["HeadObject", "ListObjectsV2"]
expected = {
    "exists, missing": missing,
    "info, missing": missing,
    "cat_file, missing": missing,
    "cat_file": ["HeadObject", "GetObject"],
    "cat_file with a range": ["GetObject"],
}
sys.exit(0 if found == expected else "the behaviour has changed")
PYTHON
venv/bin/python sent.py
