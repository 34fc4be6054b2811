"""Files with a client library that nobody here wrote: it finds the service, asks for a slot, and uploads."""

import asyncio
import io
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.configured import run_server
from tests.harness.people import JULIET, online, plugin, trusting
from tests.harness.servers import RunningServer

aiohttp = pytest.importorskip("aiohttp")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slixmpp")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    with run_server(folder, upload={"max_file_bytes": 5_000_000, "min_free_bytes": 0}) as server:
        yield server


def test_a_file_is_uploaded_and_downloaded(server: RunningServer, folder: Path) -> None:
    content = bytes(range(256)) * 8_000

    async def meet() -> None:
        context = trusting(folder, ssl.TLSVersion.TLSv1_3)
        async with online(server, JULIET, context, ["xep_0030", "xep_0363"]) as juliet:
            upload = plugin(juliet, "xep_0363").upload_file
            url = await upload("a hat.png", content_type="image/png", input_file=io.BytesIO(content), purpose="profile")
            async with aiohttp.ClientSession() as web, web.get(url) as got:
                assert (got.status, got.content_type) == (200, "image/png")
                assert await got.read() == content
            with pytest.raises(Exception, match=r"too large.*4\.77 MiB"):
                await upload("a hat.png", size=6_000_000, input_file=io.BytesIO(content))

    asyncio.run(meet())
