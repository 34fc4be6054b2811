"""The bytes of files at a service that speaks S3. On the way there they lie on the disk, until all of them have come.

boto3 blocks, and so waits in the greenlet of whoever asks. It is sent, and checked, a part at a time: nothing on the
loop takes longer than one part does.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import gevent
from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from db.files import FileStoreError, FileStoreFull, NoSuchFile
from db.files.disk import DiskStore

PART_BYTES = 5 << 20  # the smallest that S3 takes of a file in several parts
PIECE_BYTES = 64 * 1024
PAUSE_AFTER_BYTES = 1 << 20  # what has arrived already is read without waiting, and others are to have their turn
PAUSE_SECONDS = 0.001
CONNECT_SECONDS, ANSWER_SECONDS, ATTEMPTS, CONNECTIONS = 10, 60, 3, 50
MISSING = ("404", "NoSuchKey")
FULL = 507
UNNAMED = "..."
LONGEST = timedelta(hours=1)  # that one file takes from the disk here to the bucket


class S3Store:
    """Files in a bucket, whose names begin with `prefix`. `way`: where those are that are on their way."""

    def __init__(
        self, way: DiskStore, bucket: str, prefix: str, endpoint: str, region: str, key: str, secret: str
    ) -> None:
        self._way = way
        self._bucket = bucket
        self._prefix = prefix
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint or None,
            region_name=region or None,
            aws_access_key_id=key or None,
            aws_secret_access_key=secret or None,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=ANSWER_SECONDS,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                max_pool_connections=CONNECTIONS,
                request_checksum_calculation="when_required",  # what others have that speak S3
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"} if endpoint else {},
            ),
        )
        self._in_parts = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False
        )

    def keep(self, key: str, pieces: Iterable[bytes]) -> None:
        with self._way.gathered(key, pieces) as path, _in_our_words(key), path.open("rb") as file:
            self._client.upload_fileobj(file, self._bucket, self._prefix + key, Config=self._in_parts)

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        with _in_our_words(key):
            found = self._client.get_object(
                Bucket=self._bucket, Key=self._prefix + key, Range=f"bytes={start}-{start + length - 1}"
            )
        return _Reading(key, found["Body"])

    def delete(self, key: str) -> None:
        with _in_our_words(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def has_room(self, size: int) -> bool:
        return self._way.has_room(size)

    def tidy(self) -> None:
        self._way.tidy()
        before = datetime.now(UTC) - LONGEST
        with _in_our_words():
            begun = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=self._prefix)
            for each in (each for each in begun.get("Uploads", ()) if each["Initiated"] < before):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=each["Key"], UploadId=each["UploadId"])

    def close(self) -> None:
        self._way.close()
        self._client.close()


class _Reading(Iterator[bytes]):
    """What is read of a file."""

    def __init__(self, key: str, body: Any) -> None:
        self._key = key
        self._body = body
        self._unpaused = 0

    def __next__(self) -> bytes:
        with _in_our_words(self._key):
            piece: bytes = self._body.read(PIECE_BYTES)
        if not piece:
            raise StopIteration
        self._unpaused += len(piece)
        if self._unpaused >= PAUSE_AFTER_BYTES:
            self._unpaused = 0
            gevent.sleep(PAUSE_SECONDS)
        return piece

    def close(self) -> None:
        """Let go of the connection."""
        self._body.close()


@contextmanager
def _in_our_words(key: str = "") -> Iterator[None]:
    """`key`: what it is done with."""
    try:
        yield
    except ClientError as error:
        answer = error.response
        if answer.get("Error", {}).get("Code") in MISSING:
            raise NoSuchFile(_said(error, key)) from error
        is_full = answer.get("ResponseMetadata", {}).get("HTTPStatusCode") == FULL
        raise (FileStoreFull if is_full else FileStoreError)(_said(error, key)) from error
    except (BotoCoreError, S3UploadFailedError, OSError) as error:
        raise FileStoreError(_said(error, key)) from error


def _said(error: Exception, key: str) -> str:
    """What it says but for the name of the file: whoever knows that can read it. It may be in the middle of an
    address."""
    return str(error).replace(key, UNNAMED) if key else str(error)
