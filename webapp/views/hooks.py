"""Where the vendors' webhooks come in."""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, abort, current_app, request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from webapp.database import begin_as_reader
from webapp.extensions import csrf, db
from webapp.intake import accept
from webapp.models import Integration, hash_secret, utc_now
from webapp.vendors import registry

from .access import public

blueprint = Blueprint("hooks", __name__, url_prefix="/hooks")
csrf.exempt(blueprint)

#: No vendor's webhook comes near it; more is refused without being read.
LARGEST_BODY_BYTES = 1024 * 1024

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
    begin_as_reader(False)
    integration = _integration(vendor, secret)
    if integration is None:
        abort(404)
    accept(
        db.session(),
        integration,
        body,
        content_type=request.headers.get("Content-Type"),
        channel=channel,
        is_test=_is_test(integration),
    )
    db.session.commit()
    answer = registry()[vendor].answer()
    return Response(answer.body, status=answer.status, content_type=answer.content_type)


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


def _integration(vendor: str, secret: str) -> Integration | None:
    """The integration of this secret; after a rotation the old secret is heard until its grace ends."""
    digest = hash_secret(secret)
    found = db.session.scalar(
        select(Integration)
        .options(joinedload(Integration.account))
        .where(
            or_(Integration.webhook_secret_hash == digest, Integration.previous_secret_hash == digest),
            Integration.vendor == vendor,
            Integration.archived_at.is_(None),
        )
    )
    if found is None:
        return None
    if secrets.compare_digest(found.webhook_secret_hash, digest):
        return found
    return found if found.previous_secret_until and found.previous_secret_until > utc_now() else None


def _too_large() -> Response:
    response = Response("the body is larger than 1 MiB\n", status=413, content_type="text/plain; charset=utf-8")
    response.headers["Connection"] = "close"
    return response
