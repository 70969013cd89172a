"""Real servers: they start, are shared, stop, and lose nothing when everything around them is killed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
import redis

from app.embedded import running_servers
from app.embedded.account import private_folder, service_account
from app.embedded.paths import layout, libpq_url
from app.embedded.process import processes_named
from app.embedded.servers import EmbeddedServers, FileLock

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0


@pytest.fixture
def var():
    """A short data directory; pytest's own is too long for the usual place of the sockets."""
    path = Path(tempfile.mkdtemp(prefix="qh-", dir="/tmp"))
    yield path
    place = layout(path)
    assert_gone(place)
    shutil.rmtree(place.sockets, ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)


def left(place):
    return processes_named("postgres", f"quanheng-pg-{place.tag}") + processes_named(str(place.redis_socket))


def assert_gone(place):
    until = time.monotonic() + PATIENCE
    while left(place) and time.monotonic() < until:
        time.sleep(0.02)
    assert left(place) == []


def query(endpoints, text):
    with psycopg.connect(libpq_url(endpoints.database_url), autocommit=True) as connection:
        cursor = connection.execute(text)
        return cursor.fetchall() if cursor.description else None


def toy(var):
    command = [sys.executable, "-m", "tests.embedded.toy", str(var)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"up\n"
    return child


def end(child):
    child.kill()
    child.wait()
    child.stdout.close()


def test_rows_survive_a_stop_and_the_settings_hold(var):
    with running_servers(var) as first:
        query(first, "CREATE TABLE kept AS SELECT 1 AS n")
        redis.Redis.from_url(first.redis_url).set("kept", "yes")
        settings = dict(query(first, "SELECT name, setting FROM pg_settings"))
        assert settings["listen_addresses"] == ""
        assert (settings["fsync"], settings["jit"], settings["TimeZone"]) == ("on", "off", "Asia/Shanghai")
        assert query(first, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(False,)]
        assert query(first, "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'quanheng'") == [
            ("UTF8",)
        ]
        config = redis.Redis.from_url(first.redis_url).config_get("*")
        assert (config["port"], config["appendonly"], config["maxmemory-policy"]) == ("0", "yes", "noeviction")
        assert layout(var).sockets.stat().st_mode & 0o777 == 0o700
    assert_gone(layout(var))
    with running_servers(var) as second:
        assert second == first
        assert query(second, "SELECT n FROM kept") == [(1,)]
        assert redis.Redis.from_url(second.redis_url).get("kept") == b"yes"


def test_a_second_user_shares_and_does_not_stop(var):
    with running_servers(var) as first:
        pid = query(first, "SELECT pg_postmaster_start_time()")
        with running_servers(var) as second:
            assert query(second, "SELECT pg_postmaster_start_time()") == pid
        assert query(first, "SELECT pg_postmaster_start_time()") == pid


def test_who_joined_takes_over_when_the_owner_leaves(var):
    owner, guest = EmbeddedServers(layout(var)), EmbeddedServers(layout(var))
    try:
        owner.ensure()
        assert guest.ensure() is False
        assert guest.check() is False
        owner.stop()
        assert guest.check() is True
        assert guest.check() is False
        assert query(layout(var).endpoints(), "SELECT 1") == [(1,)]
    finally:
        owner.stop()
        guest.stop()


def test_a_dead_server_is_restarted(var):
    servers = EmbeddedServers(layout(var))
    try:
        servers.ensure()
        query(layout(var).endpoints(), "CREATE TABLE kept AS SELECT 7 AS n")
        os.kill(servers.postgres.child.pid, signal.SIGKILL)
        servers.redis.child.kill()
        servers.postgres.child.wait()
        servers.redis.child.wait()
        assert servers.check() is True
        assert query(layout(var).endpoints(), "SELECT n FROM kept") == [(7,)]
    finally:
        servers.stop()


def test_kill_9_of_the_supervisor_ends_the_servers_and_loses_no_row(var):
    child = toy(var)
    place = layout(var)
    query(place.endpoints(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    end(child)
    # At once: the old servers may still be shutting down.
    with running_servers(var) as again:
        assert query(again, "SELECT count(*) FROM kept") == [(1000,)]


def test_kill_9_of_everything_loses_no_row_and_a_misleading_pid_file_does_not_matter(var):
    child = toy(var)
    place = layout(var)
    query(place.endpoints(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    postmaster = int((place.postgres / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    end(child)
    assert_gone(place)
    file = place.postgres / "postmaster.pid"
    text = file.read_text() if file.exists() else f"{postmaster}\n{place.postgres}\n"
    file.write_text(text.replace(str(postmaster), str(os.getpid()), 1))  # the number now is a living stranger's
    with running_servers(var) as again:
        assert query(again, "SELECT count(*) FROM kept") == [(1000,)]


def test_the_servers_end_soon_after_kill_9(var):
    child = toy(var)
    assert left(layout(var))
    end(child)
    assert_gone(layout(var))


def test_long_path_with_spaces_and_chinese(var):
    deep = var / "计量 器具" / ("d" * 80) / "var"
    with running_servers(deep) as given:
        assert query(given, "SELECT 1") == [(1,)]
        assert redis.Redis.from_url(given.redis_url).ping()
        assert (deep / "postgres" / "PG_VERSION").exists()
    assert_gone(layout(deep))
    shutil.rmtree(layout(deep).sockets)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_of_another_number_is_taken_back_but_not_one_of_another_user(tmp_path):
    account = service_account()
    folder = tmp_path / "data"
    private_folder(folder, account)
    (folder / "file").touch()
    for path in (folder / "file", folder):
        os.chown(path, 54321, 54321)  # the account's number in the container before
    private_folder(folder, account)
    assert {folder.stat().st_uid, (folder / "file").stat().st_uid} == {account.uid}
    os.chown(folder, 54321, 54321)
    os.chown(tmp_path, 54321, 54321)
    try:
        with pytest.raises(PermissionError):
            private_folder(folder, account)
    finally:
        os.chown(tmp_path, 0, 0)


def test_a_lock_is_free_again_after_its_holder(tmp_path):
    first, second = FileLock(tmp_path / "a.lock"), FileLock(tmp_path / "a.lock")
    assert first.take()
    assert not second.take()
    first.release()
    assert second.take()
    second.release()
