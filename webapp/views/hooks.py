"""Where the vendors' webhooks come in."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from flask import Blueprint, Response, abort, current_app, request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import Engine, bindparam, select
from sqlalchemy.orm import Session, joinedload

from webapp.database import begin_as_reader
from webapp.extensions import csrf, db
from webapp.intake import Received, read, store
from webapp.models import Account, Integration, hash_secret, utc_now
from webapp.vendors import registry
from webapp.writing import write

from .access import public

blueprint = Blueprint("hooks", __name__, url_prefix="/hooks")
csrf.exempt(blueprint)

#: No vendor's webhook comes near it; more is refused without being read.
LARGEST_BODY_BYTES = 1024 * 1024

#: How many integrations a process keeps ready.
KEPT_INTEGRATIONS = 1024

_REVISION = (
    select(Integration.__table__.c.id, Integration.__table__.c.revision, Account.__table__.c.revision)
    .join_from(Integration.__table__, Account.__table__)
    .where(Integration.__table__.c.webhook_secret_hash == bindparam("digest"))
)
_BY_SECRET = (
    select(Integration)
    .options(joinedload(Integration.account))
    .where(Integration.webhook_secret_hash == bindparam("digest"))
)
_kept: WeakKeyDictionary[Engine, dict[str, tuple[Any, Integration | None]]] = WeakKeyDictionary()

#: The header by which our own test chat makes itself known, and how long its signature holds.
TEST_HEADER = "X-Leadtrail-Test"
TEST_SECONDS = 600


@blueprint.post("/<vendor>/<secret>", defaults={"channel": None})
@blueprint.post("/<vendor>/<secret>/<path:channel>")
@public
def receive(vendor: str, secret: str, channel: str | None) -> Response:
    """Store one webhook, record what it says, and answer as the vendor expects. A 2xx means: on disk."""
    if vendor not in registry():
        abort(404)
    if request.content_length is not None and request.content_length > LARGEST_BODY_BYTES:
        return _too_large()
    body = request.stream.read(LARGEST_BODY_BYTES + 1)
    if len(body) > LARGEST_BODY_BYTES:
        return _too_large()
    if request.content_length is not None and len(body) < request.content_length:
        # The connection broke in the middle: half a body is no webhook, and the sender will know that it failed.
        abort(400)
    digest = hash_secret(secret)
    content_type = request.headers.get("Content-Type")
    for _attempt in range(3):
        revision, integration = _integration(digest)
        if integration is None or integration.vendor != vendor or integration.archived_at is not None:
            abort(404)
        received = read(integration, body, content_type=content_type, channel=channel, is_test=_is_test(integration))
        begin_as_reader(False)
        # The transaction that writes begins only when all that can be done before it is done.
        with suppress(_Changed):
            write(db.session(), partial(_store, digest, revision, integration, received))
            break
        _kept.get(db.engine, {}).pop(digest, None)
    else:
        abort(503)
    answer = registry()[vendor].answer()
    return Response(answer.body, status=answer.status, content_type=answer.content_type)


class _Changed(Exception):
    """The integration is another one than was read: it, its account or its secret has changed in between."""


def _store(digest: str, revision: Any, integration: Integration, received: Received, session: Session) -> None:
    """Store, if the integration is still as it was read."""
    if revision is not None and session.connection().execute(_REVISION, {"digest": digest}).first() != revision:
        raise _Changed
    store(session, integration, received)


def forget() -> None:
    """Give up what was kept, as when a database is emptied under a running process."""
    _kept.clear()


def test_header(integration: Integration) -> dict[str, str]:
    """The header that marks a request as our own test of this integration."""
    return {TEST_HEADER: _signer().dumps(integration.id)}


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="test-chat")


def _is_test(integration: Integration) -> bool:
    signature = request.headers.get(TEST_HEADER)
    if not signature:
        return False
    try:
        return _signer().loads(signature, max_age=TEST_SECONDS) == integration.id
    except BadSignature:
        return False


def _integration(digest: str) -> tuple[Any, Integration | None]:
    """The integration of this secret and its revision; after a rotation the old secret is heard until its grace ends.

    Each process keeps those it has read: most webhooks come to few of them. Whether one has changed is asked in the
    transaction that writes (``_store``). One that is found by its old secret is read each time and has no revision.
    """
    kept = _kept.setdefault(db.engine, {})
    known = kept.get(digest)
    if known is None:
        begin_as_reader(True)
        revision = db.session.connection().execute(_REVISION, {"digest": digest}).first()
        found = _by_previous_secret(digest) if revision is None else db.session.scalar(_BY_SECRET, {"digest": digest})
        # What was read stays with us when its session has gone.
        db.session.close()
        # One that is removed is not kept: it may be brought back, and is asked for anew until then.
        if revision is None or found is None or found.archived_at is not None:
            return None, found
        if len(kept) >= KEPT_INTEGRATIONS:
            kept.clear()
        known = kept[digest] = revision, found
    return known


def _by_previous_secret(digest: str) -> Integration | None:
    return db.session.scalar(
        select(Integration)
        .options(joinedload(Integration.account))
        .where(Integration.previous_secret_hash == digest, Integration.previous_secret_until > utc_now())
    )


def _too_large() -> Response:
    response = Response("the body is larger than 1 MiB\n", status=413, content_type="text/plain; charset=utf-8")
    response.headers["Connection"] = "close"
    return response
