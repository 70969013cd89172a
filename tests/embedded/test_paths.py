"""Addresses without any server."""

import os
from pathlib import Path

import psycopg.conninfo
import pytest

from app.embedded import endpoints
from app.embedded.paths import MAX_SOCKET_BYTES, POSTGRES_SOCKET, layout, libpq_url
from app.embedded.postgres import shared_buffers_mb


def test_sockets_lie_in_the_data_directory_when_short():
    assert layout("/srv/q/var").sockets == Path("/srv/q/var/run")
    assert endpoints(Path("/srv/q/var")).redis_url == "unix:///srv/q/var/run/redis.sock?db=0"


@pytest.mark.parametrize(
    "var", ["/srv/" + "long-name/" * 12 + "var", "/srv/" + "计量" * 14 + "/var", "/srv/with space/var", "/srv/a,b/var"]
)
def test_awkward_paths_get_short_plain_sockets(var):
    place = layout(var)
    assert not place.sockets.is_relative_to(var)
    assert len(os.fsencode(place.sockets / POSTGRES_SOCKET)) < MAX_SOCKET_BYTES
    assert str(place.sockets).isascii()


def test_two_directories_never_share_a_socket_and_one_has_the_same_from_everywhere(tmp_path, monkeypatch):
    deep = tmp_path / ("x" * 90)
    other = tmp_path / ("y" * 90)
    deep.mkdir()
    assert layout(deep).sockets != layout(other).sockets
    link = tmp_path / ("z" * 90)
    link.symlink_to(deep)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert endpoints(link) == endpoints(deep)


def test_endpoints_write_nothing(tmp_path):
    endpoints(tmp_path / "var")
    assert list(tmp_path.iterdir()) == []


def test_libpq_reads_the_url():
    url = libpq_url(layout("/srv/" + "计量" * 30).postgres_url())
    values = psycopg.conninfo.conninfo_to_dict(url)
    assert (values["user"], values["dbname"]) == ("quanheng", "quanheng")
    assert values["host"].startswith("/tmp/quanheng-")
    assert libpq_url("postgres://a@b/c") == libpq_url("postgresql://a@b/c") == "postgresql://a@b/c"


@pytest.mark.parametrize(("gigabytes", "megabytes"), [(0.25, 128), (2, 512), (4, 1024), (64, 1024)])
def test_shared_buffers_are_a_quarter_within_bounds(gigabytes, megabytes):
    assert shared_buffers_mb(int(gigabytes * 1024**3)) == megabytes
