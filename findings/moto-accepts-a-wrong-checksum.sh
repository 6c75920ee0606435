#!/usr/bin/env bash
# moto's S3 server stores an object whose checksum does not match its bytes; S3 refuses it with BadDigest.
#
# S3 compares a PUT with its Content-MD5 or x-amz-checksum-* header, and stores nothing if they differ. A test of a program
# that relies on this, to notice bytes that are changed on the way, passes against moto whatever the program sends. With
# x-amz-checksum-crc32 a wrong value is not even returned by HEAD afterwards.
#
#   moto 5.2.5, boto3 1.43.117   Content-MD5 of other bytes                    200, stored
#                                x-amz-checksum-sha256, -sha1, -crc32 of them  200, stored, HEAD names no such checksum
#
# Exits non-zero when the behaviour is no longer the one above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "moto[s3]==5.2.5" boto3==1.43.117 flask==3.1.3 flask-cors==6.0.5
cat > put.py <<'PYTHON'
import base64
import hashlib
import logging
import sys
import zlib

import boto3
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
BODY, OTHER = b"a song", b"another song"


def text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


WRONG = {
    "ContentMD5": text(hashlib.md5(OTHER, usedforsecurity=False).digest()),
    "ChecksumSHA256": text(hashlib.sha256(OTHER).digest()),
    "ChecksumSHA1": text(hashlib.sha1(OTHER, usedforsecurity=False).digest()),
    "ChecksumCRC32": text(zlib.crc32(OTHER).to_bytes(4, "big")),
}
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
s3 = boto3.client(
    "s3",
    endpoint_url=f"http://{host}:{port}",
    region_name="us-east-1",
    aws_access_key_id="key",
    aws_secret_access_key="secret",
)
s3.create_bucket(Bucket="songs")
seen = {}
for header, value in WRONG.items():
    try:
        status = s3.put_object(Bucket="songs", Key=header, Body=BODY, **{header: value})["ResponseMetadata"]["HTTPStatusCode"]
        head = s3.head_object(Bucket="songs", Key=header, ChecksumMode="ENABLED")
        stored = s3.get_object(Bucket="songs", Key=header)["Body"].read()
        seen[header] = (status, stored == BODY, header in head)
    except ClientError as error:
        seen[header] = error.response["Error"]["Code"]
    print(f"{header} of other bytes: {seen[header]}")
server.stop()
sys.exit(0 if seen == dict.fromkeys(WRONG, (200, True, False)) else "the behaviour has changed")
PYTHON
venv/bin/python put.py
