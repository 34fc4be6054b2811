"""Files at a service that speaks S3: the same as on the disk, by the same few functions."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gevent import socket

from db import uploads
from db.files.s3 import PART_BYTES
from handlers.upload import removing
from tests.harness.browsing import browser, web_server
from tests.harness.buckets import BUCKET, client_of, content_of, s3_service, settings_for
from tests.harness.in_process import Client
from tests.harness.uploads import slot, upload
from web.site import Site
from xmpp.config.configuration import ConfigError


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with s3_service() as address:
        yield address


@pytest.fixture
def site(tmp_path: Path, service: str) -> Iterator[Site]:
    with web_server(tmp_path, upload=settings_for(service)) as site:
        yield site
    for name in content_of(service):
        client_of(service).delete_object(Bucket=BUCKET, Key=name)


@pytest.fixture
def juliet(site: Site) -> Client:
    return Client(site.server, "juliet@localhost/balcony")


def left_on_the_disk(folder: Path) -> list[Path]:
    return [path for path in (folder / "uploads").rglob("*") if path.is_file()]


def test_a_file_lies_in_the_bucket_and_comes_from_there(
    site: Site, juliet: Client, service: str, tmp_path: Path
) -> None:
    with browser(site) as one:
        path = upload(one, juliet)
        assert content_of(service) == {f"xserv/{path.split('/')[2]}": b"a hat"}
        assert left_on_the_disk(tmp_path) == []
        assert one.ask("GET", path).content == b"a hat"
        got = one.ask("GET", path, headers={"Range": "bytes=2-"})
        assert (got.status, got.content) == (206, b"hat")


def test_a_large_file_goes_in_parts_and_comes_back_as_it_was(site: Site, juliet: Client, service: str) -> None:
    content = bytes(range(256)) * 50_000
    with browser(site) as one:
        path = upload(one, juliet, content)
        assert one.ask("GET", path).content == content
    assert [*content_of(service).values()] == [content]


def test_what_breaks_off_is_not_in_the_bucket(site: Site, juliet: Client, service: str, tmp_path: Path) -> None:
    path = slot(juliet, size=1_000_000)
    with browser(site) as one:
        one.sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx".encode())
        one.sock.shutdown(1)
        assert one.response("PUT").status == 400
    assert content_of(service) == {} and left_on_the_disk(tmp_path) == []


def test_a_file_that_is_deleted_is_gone_from_the_bucket(site: Site, juliet: Client, service: str) -> None:
    with browser(site) as one:
        key = upload(one, juliet).split("/")[2]
    found = uploads.find(site.server.db, key)
    assert found is not None
    removing.mark_deleted(site.server, [found.id])
    while removing.remove_some(site.server):
        pass
    assert content_of(service) == {}


def test_a_file_that_is_missing_there_is_not_found(site: Site, juliet: Client, service: str) -> None:
    with browser(site) as one:
        path = upload(one, juliet)
        client_of(service).delete_object(Bucket=BUCKET, Key=f"xserv/{path.split('/')[2]}")
        assert one.ask("GET", path).status == 404


def test_where_the_service_cannot_be_used_the_slot_stays_open(tmp_path: Path, service: str) -> None:
    with web_server(tmp_path, upload={**settings_for(service), "s3_bucket": "none"}) as site, browser(site) as one:
        juliet = Client(site.server, "juliet@localhost/balcony")
        path = slot(juliet)
        assert one.ask("PUT", path, b"a hat").status == 503
        assert one.ask("PUT", path, b"a hat").status == 503
        assert left_on_the_disk(tmp_path) == []


def test_the_log_does_not_say_where_a_file_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        nowhere = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    with web_server(tmp_path, upload=settings_for(nowhere)) as site, browser(site) as one:
        juliet = Client(site.server, "juliet@localhost/balcony")
        small, large = slot(juliet), slot(juliet, size=PART_BYTES)
        assert one.ask("PUT", small, b"a hat").status == 503
        assert one.ask("PUT", large, b"x" * PART_BYTES).status == 503
        site.server.db.connection.execute("UPDATE upload SET state = 'stored', stored = 1, due = NULL")
        assert one.ask("GET", small).status == 503
    for path in (small, large):
        assert path.split("/")[2] not in caplog.text
    assert f"{nowhere}/files/xserv/..." in caplog.text


def test_what_was_on_its_way_long_ago_is_given_up(site: Site, service: str) -> None:
    client = client_of(service)
    client.create_multipart_upload(Bucket=BUCKET, Key="xserv/half")  # moto says of all that they are of 2010
    removing.begin(site.server)
    assert not client.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


def test_a_store_of_s3_needs_a_bucket(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no s3_bucket"), web_server(tmp_path, upload={"store": "s3"}):
        pass
