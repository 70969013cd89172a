"""Is the schema the newest? Read from the files and from the database."""

import psycopg

from app.embedded.paths import libpq_url
from app.embedded.schema import at_head, newest_revisions
from tests.servers import create_database


def write(folder, revision, before):
    text = f"revision: str = {revision!r}\ndown_revision = {before!r}\nraise RuntimeError('must not be run')\n"
    (folder / f"{revision}.py").write_text(text, encoding="utf-8")


def test_newest_revision_of_a_chain_and_of_a_merge(tmp_path):
    write(tmp_path, "a", None)
    write(tmp_path, "b", "a")
    write(tmp_path, "c", "a")
    assert newest_revisions(tmp_path) == {"b", "c"}
    write(tmp_path, "d", ("b", "c"))
    assert newest_revisions(tmp_path) == {"d"}


def test_at_head(tmp_path, postgres_admin_url, request):
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    url = create_database(postgres_admin_url, f"schema_{worker}")
    write(tmp_path, "a", None)
    write(tmp_path, "b", "a")
    assert at_head(url, tmp_path) is False
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32))")
        assert at_head(url, tmp_path) is False
        connection.execute("INSERT INTO alembic_version VALUES ('a')")
        assert at_head(url, tmp_path) is False
        connection.execute("UPDATE alembic_version SET version_num = 'b'")
    assert at_head(url, tmp_path) is True


def test_an_unreachable_database_is_not_at_head(tmp_path):
    write(tmp_path, "a", None)
    assert at_head("postgresql+psycopg://x@/x?host=/nowhere", tmp_path) is False
