"""A service that speaks S3, which nobody here wrote: moto's, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import boto3

BUCKET = "files"
# It ends when its standard input does: with the test, however that ends.
PROGRAM = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""
KEYS = {"s3_region": "us-east-1", "s3_access_key": "juliet", "s3_secret_key": "a rose"}


@contextmanager
def s3_service() -> Iterator[str]:
    """The address of a service with one empty bucket."""
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None and process.stdin is not None
        address = f"http://127.0.0.1:{_port(process.stdout)}"
        client_of(address).create_bucket(Bucket=BUCKET)
        try:
            yield address
        finally:
            process.stdin.close()


def _port(output: IO[bytes]) -> int:
    """The first line that is nothing but a number."""
    return next(int(line) for line in output if line.strip().isdigit())


def client_of(address: str) -> Any:
    """A client that looks into it."""
    return boto3.client(
        "s3",
        endpoint_url=address,
        region_name=KEYS["s3_region"],
        aws_access_key_id=KEYS["s3_access_key"],
        aws_secret_access_key=KEYS["s3_secret_key"],
    )


def settings_for(address: str) -> dict[str, object]:
    """The settings of a server that keeps its files there."""
    return {"store": "s3", "s3_bucket": BUCKET, "s3_prefix": "xserv/", "s3_endpoint": address, **KEYS}


def content_of(address: str) -> dict[str, bytes]:
    """All that is in the bucket, by name."""
    client = client_of(address)
    names = [each["Key"] for each in client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]
    return {name: client.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names}
