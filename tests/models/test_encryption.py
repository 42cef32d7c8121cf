"""Secrets are stored encrypted, and their keys can be changed without a stop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from tests.factories import make_account, make_integration
from webapp.models import Account, Base, Integration, use_encryption_keys
from webapp.models.base import Encrypted, _Keys
from webapp.settings import Settings

SECRET = "k3pT-xU_8f3c2d7e and Привет"
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()

#: Columns whose name sounds like a secret and which hold none: the token that a visitor's own browser sends about, and
#: the address where tokens are asked for.
NO_SECRETS = {"vendor_client.token", "vendor_authorization.token_url"}


@pytest.fixture(autouse=True)
def keys() -> Iterator[None]:
    """The process's keys are put back after each test."""
    before = _Keys.fernet
    yield
    _Keys.fernet = before


def stored(session: Session, column: str, table: str) -> bytes:
    """The bytes in the database."""
    return bytes(session.execute(sa.text(f"SELECT {column} FROM {table}")).scalar_one())


def bound(value: str | None) -> bytes | None:
    """What is handed to the database for this value."""
    return Encrypted().process_bind_param(value, None)


def read(value: bytes | None) -> str | None:
    """What comes back for these bytes."""
    return Encrypted().process_result_value(value, None)


class TestStored:
    def test_what_the_database_holds_is_not_the_secret(self, session: Session) -> None:
        account = make_account(session, cabinet_access_token=SECRET)
        integration = make_integration(session, account)
        secret = integration.webhook_secret

        for column, table, clear in (
            ("cabinet_access_token", "account", SECRET),
            ("webhook_secret", "integration", secret),
        ):
            kept = stored(session, column, table)
            assert clear.encode() not in kept
            assert clear[:8].encode() not in kept

    def test_it_comes_back_as_it_was(self, session: Session) -> None:
        account = make_account(session, cabinet_access_token=SECRET)
        session.expire_all()

        assert session.get_one(Account, account.id).cabinet_access_token == SECRET

    def test_no_secret_stays_no_secret(self, session: Session) -> None:
        make_account(session)

        assert session.execute(sa.text("SELECT cabinet_access_token FROM account")).scalar_one() is None
        assert session.scalars(sa.select(Account.cabinet_access_token)).one() is None

    def test_the_same_secret_is_stored_differently_each_time(self) -> None:
        assert bound(SECRET) != bound(SECRET)

    def test_the_log_of_a_failed_statement_does_not_have_it(self, session: Session) -> None:
        make_account(session, cabinet_access_token=SECRET)

        with pytest.raises(sa.exc.IntegrityError) as caught:
            make_account(session, cabinet_access_token=SECRET)

        assert SECRET not in str(caught.value)


class TestKeys:
    def test_the_first_key_encrypts(self) -> None:
        use_encryption_keys((NEW, OLD))

        made = bound(SECRET)

        assert made is not None
        assert Fernet(NEW).decrypt(made).decode() == SECRET
        with pytest.raises(InvalidToken):
            Fernet(OLD).decrypt(made)

    def test_every_key_decrypts(self) -> None:
        use_encryption_keys((OLD,))
        old = bound(SECRET)
        use_encryption_keys((NEW, OLD))

        assert read(old) == SECRET
        assert read(bound(SECRET)) == SECRET

    def test_without_its_key_a_secret_is_not_read(self) -> None:
        use_encryption_keys((OLD,))
        old = bound(SECRET)
        use_encryption_keys((NEW,))

        with pytest.raises(InvalidToken):
            read(old)

    def test_a_rotation_over_the_database(self, session: Session, settings: Settings) -> None:
        """Add the new key in front, write every secret again, take the old key away."""
        account = make_account(session, cabinet_access_token=SECRET)
        use_encryption_keys((NEW, *settings.ENCRYPTION_KEYS))
        session.expire_all()
        assert account.cabinet_access_token == SECRET

        account.cabinet_access_token = None
        session.flush()
        account.cabinet_access_token = SECRET
        session.commit()
        use_encryption_keys((NEW,))
        session.expire_all()

        assert account.cabinet_access_token == SECRET

    def test_a_row_whose_key_is_lost_can_still_be_found(self, session: Session) -> None:
        """Webhooks are found by the hash of their secret, so a lost key does not stop them from being stored."""
        integration = make_integration(session, make_account(session))
        wanted = integration.webhook_secret_hash
        use_encryption_keys((NEW,))
        session.expire_all()

        found = session.scalars(sa.select(Integration).where(Integration.webhook_secret_hash == wanted)).one()

        assert found.key == "jivo"

    def test_before_keys_are_set_nothing_is_stored_in_clear(self) -> None:
        _Keys.fernet = None

        with pytest.raises(RuntimeError, match="encryption keys are not set"):
            bound(SECRET)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    fernet, _Keys.fernet = _Keys.fernet, None
    try:
        use_encryption_keys((NEW, OLD))
        assert read(bound(text)) == text
    finally:
        _Keys.fernet = fernet


def test_every_column_that_sounds_like_a_secret_is_encrypted_or_a_hash() -> None:
    clear = [
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if any(word in column.name for word in ("secret", "token", "password", "api_key"))
        and not column.name.endswith(("_hash", "_until", "_at"))
        and not isinstance(column.type, Encrypted)
    ]

    assert set(clear) <= NO_SECRETS
