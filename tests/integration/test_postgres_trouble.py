"""What a person reads when the database is not as DATABASE_URL says."""

import secrets
import subprocess
import sys

import doors
import pytest
from postgres_server import PASSWORD

from viecomrec.adapters.postgres import PostgresDatabase, read_url
from viecomrec.errors import ConfigurationError, DatabaseAwayError, LedgerError

WRONG = "wrong-secret"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (lambda c: c.url(password=WRONG), "Check the user and the password in DATABASE_URL"),
        (lambda c: c.url("nowhere"), "createdb"),
        (lambda _: f"postgresql://shop:{WRONG}@shop.invalid/shop", "Correct the host"),
    ],
)
def test_a_wrong_address_is_named_with_its_remedy_and_never_with_the_password(
    postgres_cluster, address, said
):
    with pytest.raises(LedgerError, match=said) as caught:
        PostgresDatabase(address(postgres_cluster)).ping()
    assert PASSWORD not in str(caught.value)
    assert WRONG not in str(caught.value)


@pytest.mark.parametrize(
    "revoke", ["REVOKE ALL ON SCHEMA public FROM PUBLIC", "DROP SCHEMA public"]
)
def test_a_user_who_may_not_create_tables_reads_what_to_grant(
    postgres_cluster, postgres_url, revoke
):
    role = f"weak_{secrets.token_hex(4)}"
    postgres_cluster.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{WRONG}'")
    postgres_cluster.execute(revoke, postgres_url)
    url = postgres_url.replace(f"shop:{PASSWORD}", f"{role}:{WRONG}")
    with pytest.raises(LedgerError, match=r"grant this user the right to create tables") as caught:
        PostgresDatabase(url).ping()
    assert "LINE" not in str(caught.value)


def test_a_server_that_is_not_there_is_told_from_one_that_refuses():
    with pytest.raises(DatabaseAwayError, match="Start the server"):
        PostgresDatabase(f"postgresql://shop:{WRONG}@127.0.0.1:1/shop").ping()


@pytest.mark.parametrize("url", ["mysql://a:hush@b/c", "hush", "postgresql://a:hush@b:port/c"])
def test_what_is_no_postgresql_address_is_refused_without_being_shown(url):
    with pytest.raises(ConfigurationError, match=r"postgresql://user:password@host:5432/name") as e:
        read_url(url)
    assert "hush" not in str(e.value)


def test_a_database_of_a_newer_program_is_left_alone(postgres_cluster, postgres_url):
    PostgresDatabase(postgres_url).ping()
    postgres_cluster.execute("UPDATE viecomrec_schema SET version = 99", postgres_url)
    with pytest.raises(LedgerError, match=r"newer version of this program \(schema 99"):
        PostgresDatabase(postgres_url).ping()


def test_without_the_driver_the_extra_is_named(tmp_path):
    """A real process in which the driver cannot be imported."""
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from viecomrec.adapters.postgres import read_url\n"
        "read_url('postgresql://a:b@c/d')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert "pip install 'viecomrec[postgres]'" in done.stderr


def test_a_door_with_a_wrong_database_says_so_and_leaves_no_file(tmp_path):
    url = f"postgresql://shop:{WRONG}@127.0.0.1:1/shop"
    (tmp_path / "config").mkdir()
    answer = doors.run("cleanup", project=tmp_path, DATABASE_URL=url)
    assert answer.code == 1
    assert "Start the server" in answer.result["message"]
    assert WRONG not in f"{answer.result}{answer.log}"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    # What is left are the empty files that the kernel's locks lie on.
    assert {path.parent.name for path in files} <= {".locks"}


def test_a_service_whose_database_refuses_it_does_not_start_and_says_why(
    postgres_cluster, tmp_path
):
    (tmp_path / "config").mkdir()
    url = postgres_cluster.url(password=WRONG)
    answer = doors.run("serve", "--port", "0", project=tmp_path, DATABASE_URL=url)
    assert answer.code == 1
    assert "Check the user and the password in DATABASE_URL" in answer.result["message"]
    assert "Traceback" not in answer.log
    assert WRONG not in f"{answer.result}{answer.log}"
    assert not (tmp_path / "artifacts").exists()


def test_a_scheduler_whose_database_refuses_it_did_not_start_in_the_background(
    postgres_cluster, tmp_path
):
    (tmp_path / "config").mkdir()
    url = postgres_cluster.url("nowhere")
    answer = doors.run("scheduler", "start", "--background", project=tmp_path, DATABASE_URL=url)
    assert (answer.code, answer.result["status"]) == (1, "failed")
    message = answer.result["message"]
    assert message.startswith("The scheduler did not start: The database nowhere on 127.0.0.1")
    assert "createdb" in message
    stopped = doors.run("scheduler", "stop", project=tmp_path, DATABASE_URL=url)
    assert (stopped.code, stopped.result["status"]) == (0, "skipped")
    assert "createdb" in stopped.result["message"]


def test_a_dropped_connection_in_the_middle_undoes_the_transaction(postgres_cluster, postgres_url):
    from sqlalchemy import text

    database = PostgresDatabase(postgres_url)
    database.ping()

    def interrupted():
        with database.transaction() as connection:
            connection.execute(text("INSERT INTO service_wish (model_id) VALUES ('als')"))
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            postgres_cluster.execute(f"SELECT pg_terminate_backend({pid})")
            connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseAwayError):
        interrupted()
    with database.transaction() as connection:
        assert connection.execute(text("SELECT count(*) FROM service_wish")).scalar_one() == 0


def test_work_that_lost_its_connection_is_done_again(postgres_cluster, postgres_url):
    from sqlalchemy import text

    database = PostgresDatabase(postgres_url, patience_seconds=60)
    attempts = []

    def work(connection):
        attempts.append(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        if len(attempts) == 1:
            postgres_cluster.execute(f"SELECT pg_terminate_backend({attempts[0]})")
        return connection.execute(text("SELECT 7")).scalar_one()

    assert database.write(work) == 7
    assert len(attempts) == 2
