"""Every environment variable: its default, its type, the file it may come from, what is wrong with it in words."""

from __future__ import annotations

import base64
import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import ValidationError

from webapp import settings as settings_module
from webapp.settings import Settings, SettingsError, load

# The same in every process: they stand in the names of tests.
KEY, OLD_KEY = (base64.urlsafe_b64encode(letter * 32).decode() for letter in (b"k", b"o"))


def given(directory: Path, **environ: str) -> Settings:
    """The settings of this environment."""
    return load({"DATA_DIR": str(directory), **environ})


class TestDefaults:
    def test_a_fresh_machine_needs_no_configuration(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

        found = load({})

        assert tmp_path / "data" == found.DATA_DIR
        assert found.PORT == 8000
        assert f"sqlite:///{tmp_path / 'data' / 'leadtrail.db'}" == found.DATABASE_URL
        assert found.is_sqlite
        assert found.PUBLIC_URL == ""
        assert found.EXTRA_VENDOR_HOSTS == ()
        assert found.AMOCRM_OAUTH_URL == "https://www.amocrm.ru/oauth"
        assert found.PROXY_COUNT == 0
        assert found.DATA_DIR.is_dir()

    def test_the_process_environment_is_read_when_none_is_given(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATA_DIR", str(tmp_path))
        monkeypatch.setenv("PORT", "8123")

        assert load().PORT == 8123

    def test_an_empty_variable_is_as_good_as_none(self, tmp_path: Path) -> None:
        found = given(tmp_path, PORT="", PUBLIC_URL="", DATABASE_URL="", SECRET_KEY="")

        assert found.PORT == 8000
        assert found.is_sqlite
        assert len(found.SECRET_KEY) >= 32

    def test_settings_do_not_change_while_a_process_runs(self, tmp_path: Path) -> None:
        with pytest.raises(ValidationError):
            given(tmp_path).PORT = 1

    def test_the_embedded_databases_directory_is_there_even_if_nothing_was_generated(self, tmp_path: Path) -> None:
        found = given(tmp_path / "fresh", SECRET_KEY="x", ENCRYPTION_KEYS=KEY)

        assert found.DATA_DIR.is_dir()


class TestValues:
    def test_lists_are_comma_separated(self, tmp_path: Path) -> None:
        found = given(tmp_path, ENCRYPTION_KEYS=f"{KEY}, {OLD_KEY},", EXTRA_VENDOR_HOSTS=" 127.0.0.1:9001 ,h:1")

        assert found.ENCRYPTION_KEYS == (KEY, OLD_KEY)
        assert found.EXTRA_VENDOR_HOSTS == ("127.0.0.1:9001", "h:1")

    @pytest.mark.parametrize(
        ("url", "read"),
        [
            ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
            ("postgresql://u:p@h/d?sslmode=require", "postgresql+psycopg://u:p@h/d?sslmode=require"),
            ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
            ("sqlite:////var/lib/leadtrail.db", "sqlite:////var/lib/leadtrail.db"),
        ],
    )
    def test_a_database_url_may_be_spelt_as_platforms_do(self, tmp_path: Path, url: str, read: str) -> None:
        assert read == given(tmp_path, DATABASE_URL=url).DATABASE_URL

    def test_the_public_address_has_no_slash_at_the_end(self, tmp_path: Path) -> None:
        assert given(tmp_path, PUBLIC_URL="https://trail.example/").PUBLIC_URL == "https://trail.example"


class TestMistakes:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PORT", "eighty"),
            ("PORT", "70000"),
            ("PROXY_COUNT", "-1"),
            ("LOG_FORMAT", "xml"),
            ("LOG_LEVEL", "loud"),
            ("WEB_WORKERS", "0"),
            ("WEB_THREADS", "0"),
            ("ENCRYPTION_KEYS", "short"),
            ("ENCRYPTION_KEYS", f"{KEY},short"),
            ("ENCRYPTION_KEYS", ","),
            ("DATABASE_URL", "mysql://u:p@h/d"),
            ("DATABASE_URL", "sqlite://"),
            ("DATABASE_URL", "not a url"),
        ],
    )
    def test_an_unusable_value_is_told_with_the_variables_name(self, tmp_path: Path, name: str, value: str) -> None:
        with pytest.raises(SettingsError, match=f"^{name}"):
            given(tmp_path, **{name: value})

    def test_a_mistake_does_not_tell_the_secret(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError) as caught:
            given(tmp_path, ENCRYPTION_KEYS="very-secret-but-no-key")

        assert "very-secret" not in str(caught.value)

    def test_a_data_directory_that_cannot_be_made_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("", encoding="utf-8")

        with pytest.raises(SettingsError, match=r"^DATA_DIR"):
            given(tmp_path / "file")


class TestFiles:
    """A secret may come from a file: NAME_FILE names it."""

    @pytest.mark.parametrize(
        ("name", "value"),
        [("SECRET_KEY", "from a file"), ("ENCRYPTION_KEYS", KEY), ("DATABASE_URL", "postgresql+psycopg://u:p@h/d")],
    )
    def test_each_secret_may(self, tmp_path: Path, name: str, value: str) -> None:
        (tmp_path / "secret").write_text(f"{value}\n", encoding="utf-8")

        found = getattr(given(tmp_path, **{f"{name}_FILE": str(tmp_path / "secret")}), name)

        assert found == ((value,) if name == "ENCRYPTION_KEYS" else value)

    def test_the_file_goes_before_the_variable(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("file", encoding="utf-8")

        assert given(tmp_path, SECRET_KEY="variable", SECRET_KEY_FILE=str(tmp_path / "secret")).SECRET_KEY == "file"

    def test_only_secrets_may(self, tmp_path: Path) -> None:
        (tmp_path / "port").write_text("9000", encoding="utf-8")

        assert given(tmp_path, PORT_FILE=str(tmp_path / "port")).PORT == 8000

    def test_a_file_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"^SECRET_KEY_FILE: .*nowhere"):
            given(tmp_path, SECRET_KEY_FILE=str(tmp_path / "nowhere"))

    def test_a_file_that_is_no_text_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(b"\xff\xfe\x00")

        with pytest.raises(SettingsError, match=r"^SECRET_KEY_FILE"):
            given(tmp_path, SECRET_KEY_FILE=str(tmp_path / "secret"))

    def test_an_empty_file_is_told_instead_of_making_a_secret_up(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("\n", encoding="utf-8")

        with pytest.raises(SettingsError, match=r"^SECRET_KEY_FILE"):
            given(tmp_path, SECRET_KEY_FILE=str(tmp_path / "secret"))


def report_secrets(directory: Path, barrier: Any, found: Any) -> None:
    """In a process of its own: wait for the others, then load."""
    barrier.wait()
    made = load({"DATA_DIR": str(directory)})
    found.put((made.SECRET_KEY, made.ENCRYPTION_KEYS))


class TestGenerated:
    """What is not given and must not be public is made once and kept in DATA_DIR."""

    def test_it_is_made_once(self, tmp_path: Path) -> None:
        first, second = given(tmp_path), given(tmp_path)

        assert (first.SECRET_KEY, first.ENCRYPTION_KEYS) == (second.SECRET_KEY, second.ENCRYPTION_KEYS)

    def test_two_installations_have_nothing_in_common(self, tmp_path: Path) -> None:
        first, second = given(tmp_path / "one"), given(tmp_path / "two")

        assert first.SECRET_KEY != second.SECRET_KEY
        assert first.ENCRYPTION_KEYS != second.ENCRYPTION_KEYS

    def test_the_generated_key_encrypts(self, tmp_path: Path) -> None:
        (key,) = given(tmp_path).ENCRYPTION_KEYS

        assert Fernet(key).decrypt(Fernet(key).encrypt(b"x")) == b"x"

    def test_only_the_owner_may_read_the_files_and_no_draft_is_left(self, tmp_path: Path) -> None:
        given(tmp_path)

        files = sorted(tmp_path.iterdir())
        assert [file.name for file in files] == ["encryption_keys", "secret_key"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

    def test_nothing_is_written_when_all_of_it_is_given(self, tmp_path: Path) -> None:
        given(tmp_path, SECRET_KEY="x", ENCRYPTION_KEYS=KEY, DATABASE_URL="postgresql://h/d")

        assert list(tmp_path.iterdir()) == []

    def test_parallel_processes_agree(self, tmp_path: Path) -> None:
        processes = multiprocessing.get_context("fork")
        count = 6
        barrier, found = processes.Barrier(count), processes.Queue()
        running = [processes.Process(target=report_secrets, args=(tmp_path, barrier, found)) for _ in range(count)]
        for process in running:
            process.start()
        made = {found.get(timeout=60) for _ in running}
        for process in running:
            process.join(timeout=60)

        assert len(made) == 1
        assert sorted(file.name for file in tmp_path.iterdir()) == ["encryption_keys", "secret_key"]


@pytest.mark.parametrize(
    ("python", "sqlite", "starts"),
    [((3, 11, 9), (3, 34, 1), True), ((3, 12, 0), (3, 41, 2), False), ((3, 12, 0), (3, 42, 0), True)],
)
def test_a_sqlite_that_the_job_engine_cannot_use_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: Any, sqlite: Any, starts: bool
) -> None:
    monkeypatch.setattr(settings_module.sys, "version_info", python)
    monkeypatch.setattr(settings_module.sqlite3, "sqlite_version_info", sqlite)

    if starts:
        assert given(tmp_path).is_sqlite
    else:
        with pytest.raises(SettingsError, match=r"^DATABASE_URL: .*SQLite"):
            given(tmp_path)
    assert not given(tmp_path, DATABASE_URL="postgresql://h/d").is_sqlite


class TestMail:
    def test_none_is_needed(self, tmp_path: Path) -> None:
        assert given(tmp_path).SMTP_URL == ""

    def test_it_may_stand_in_a_file_like_every_secret(self, tmp_path: Path) -> None:
        (tmp_path / "smtp").write_text("smtps://user:pass@mail.example:465\n")

        found = given(tmp_path, SMTP_URL_FILE=str(tmp_path / "smtp"), MAIL_FROM="Leadtrail <trail@mail.example>")

        assert found.SMTP_URL == "smtps://user:pass@mail.example:465"

    @pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://", "smtp://mail.example:port"])
    def test_what_is_no_mail_server_is_told(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(SettingsError, match=r"^SMTP_URL: "):
            given(tmp_path, SMTP_URL=url, MAIL_FROM="trail@mail.example")

    def test_a_sender_is_needed_with_it(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"^MAIL_FROM: "):
            given(tmp_path, SMTP_URL="smtp://mail.example")
