"""The scripts that sites load from here, and what these scripts send back.

``/c/<site key>`` is the visit counter of an embedded cabinet's site, ``/i/<public id>`` an integration's script. With
``.js`` it is the file, without it is where the file's messages go. Messages are form-encoded text and answered with
nothing: a page waits for neither.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

from crawleruseragents import is_crawler
from flask import Blueprint, Response, abort, current_app, request
from sqlalchemy import Engine, bindparam, select
from sqlalchemy.orm import Session, joinedload

from webapp import metrics, scripts
from webapp.arrival import domain_as_sent, host_of
from webapp.cabinets import cabinet_of
from webapp.database import begin_as_reader
from webapp.extensions import csrf, db, limiter
from webapp.hits import LARGEST_HIT_BYTES, Hit, belongs, is_client, is_session, parse_hit
from webapp.models import Account, Integration, Site, utc_now
from webapp.sightings import parse_report, record_report
from webapp.vendors import registry
from webapp.visits import Browser, record_hit, tie
from webapp.writing import write

from .access import public

blueprint = Blueprint("counter", __name__)
csrf.exempt(blueprint)

COUNTER_TEMPLATE = "cabinets/embedded/counter.js.j2"

#: How long a browser may keep a script. Changed settings reach the visitors after it.
SCRIPT_SECONDS = 600

#: How many sites a process keeps ready.
KEPT_SITES = 1024

_whose = (Site.public_key == bindparam("key"), Site.archived_at.is_(None))
_REVISION = (
    select(Account.__table__.c.revision).join(Site.__table__, Site.account_id == Account.__table__.c.id).where(*_whose)
)
_BY_KEY = select(Site, Account).join(Account, Account.id == Site.account_id).where(*_whose)
_kept: WeakKeyDictionary[Engine, dict[str, tuple[int, Site, Account]]] = WeakKeyDictionary()


def _limit() -> str:
    return current_app.config["SETTINGS"].COUNTER_LIMIT


@blueprint.after_request
def _let_hear(response: Response) -> Response:
    """Let a page know that it is told to wait, or that nobody listens: what it cannot read it takes for lost and sends
    again. Pages that are no site's are told nothing."""
    if response.status_code in (404, 413, 429) and request.method == "POST":
        _allowed(response, request.headers.get("Origin", ""))
    return response


@blueprint.get("/c/<key>.js")
@public
def counter(key: str) -> Response:
    """The visit counter of a site."""
    site, account = _site(key)
    settings = {
        "domain": domain_as_sent(site.domain),
        "consent": account.visits_need_consent,
        "quiet": account.respects_do_not_track,
    }
    return _served(scripts.render(COUNTER_TEMPLATE, settings))


@blueprint.route("/c/<key>", methods=["POST", "OPTIONS"])
@public
@limiter.limit(_limit)
def collect(key: str) -> Response:
    """One hit of the counter. Robots are heard and not counted."""
    site, account = _site(key)
    origin = _origin(lambda host: belongs(host, site.domain))
    if request.method == "OPTIONS":
        return _preflight(origin)
    hit = parse_hit(_body())
    if hit is None:
        metrics.hits.labels("malformed").inc()
        # Told so that the script can read it: what it cannot read it would send again.
        return _allowed(Response(status=400), origin)
    if _is_robot(request.headers.get("User-Agent", "")):
        metrics.hits.labels("robot").inc()
    else:
        _write(partial(record_hit, account=account, site=site, hit=hit, browser=_browser(), now=utc_now()))
        metrics.hits.labels("counted").inc()
    return _allowed(Response(status=204), origin)


@blueprint.get("/i/<public_id>.js")
@public
def integration_script(public_id: str) -> Response:
    """The script of an integration, as its settings want it."""
    integration = _integration(public_id)
    vendor, account = registry()[integration.vendor], integration.account
    own = vendor.script_settings(integration)
    if own is None:
        # The page says what is missing; a site that has the line already is not to be broken by it.
        return _served(scripts.Script(b"", b"", "empty"))
    counts = cabinet_of(account).counts_visits
    sites = _sites(account) if counts else []
    settings = {
        "id": integration.public_id,
        "session": "counter" if counts else "comagic",
        "counters": [[domain_as_sent(site.domain), f"/c/{site.public_key}.js"] for site in sites],
        **own,
    }
    return _served(scripts.render(vendor.script_template, settings))


@blueprint.route("/i/<public_id>", methods=["POST", "OPTIONS"])
@public
@limiter.limit(_limit)
def hear_script(public_id: str) -> Response:
    """What an integration's script has to say: a report of itself, or the vendor's number of this visitor (B6)."""
    integration = _integration(public_id)
    # A script on a host that nobody entered as a site is news for the integration's page; a tie from there is refused.
    origin = _origin(lambda host: True)
    if request.method == "OPTIONS":
        return _preflight(origin)
    try:
        fields = dict(parse_qsl(_body().decode("ascii"), max_num_fields=16))
    except (UnicodeDecodeError, ValueError):
        abort(400)
    kind = fields.get("k")
    if kind == "report":
        report = parse_report(fields) or abort(400)
        domains = [site.domain for site in _sites(integration.account)]
        _write(
            partial(
                record_report, integration=integration, host=host_of(origin), report=report, now=utc_now(),
                domains=domains,
            )
        )  # fmt: skip
    elif kind == "tie":
        _tie(integration, host_of(origin), fields)
    else:
        abort(400)
    return _allowed(Response(status=204), origin)


def _tie(integration: Integration, host: str, fields: dict[str, str]) -> None:
    """Tie a visitor's number to their visit. The message brings the visit along: its own hit may come later."""
    client, session_id = fields.get("c", ""), fields.get("s", "")
    if not (is_client(client) and is_session(session_id)):
        abort(400)
    own = [site for site in _sites(integration.account) if belongs(host, site.domain)]
    if not own:
        abort(403)
    if _is_robot(request.headers.get("User-Agent", "")):
        return
    # Of a site and its subdomain's own entry the narrower one is meant.
    site = max(own, key=lambda site: len(host_of(site.domain)))
    hit = parse_hit(fields.get("m", "").encode()) if cabinet_of(integration.account).counts_visits else None
    _write(
        partial(
            _record_tie, integration=integration, site=site, client=client, session_id=session_id, hit=hit,
            browser=_browser(),
        )
    )  # fmt: skip


def _record_tie(
    session: Session, *, integration: Integration, site: Site, client: str, session_id: str, hit: Hit | None,
    browser: Browser,
) -> None:  # fmt: skip
    now = utc_now()
    if hit is not None and hit.session_id == session_id:
        record_hit(session, integration.account, site, hit, browser, now)
    tie(session, session.merge(integration, load=False), client, session_id, now)


def _write(work: Callable[[Session], Any]) -> None:
    """One short transaction; those of many visitors that wait are committed together."""
    begin_as_reader(False)
    write(db.session(), work)


def _site(key: str) -> tuple[Site, Account]:
    """The site of this public key and its account.

    Each process keeps those it has read, and asks whether they have changed: whatever concerns them counts the
    account's revision.
    """
    kept = _kept.setdefault(db.engine, {})
    begin_as_reader(True)
    revision = db.session.connection().execute(_REVISION, {"key": key}).scalar()
    known = kept.get(key)
    if revision is not None and (known is None or known[0] != revision):
        found = db.session.execute(_BY_KEY, {"key": key}).one()
        if len(kept) >= KEPT_SITES:
            kept.clear()
        known = kept[key] = revision, found[0], found[1]
    # What was read stays with us when its session has gone.
    db.session.close()
    if revision is None or known is None or not cabinet_of(known[2]).counts_visits:
        abort(404)
    return known[1], known[2]


def forget() -> None:
    """Give up what was kept, as when a database is emptied under a running process."""
    _kept.clear()


def _integration(public_id: str) -> Integration:
    begin_as_reader(True)
    found = db.session.scalar(
        select(Integration)
        .options(joinedload(Integration.account))
        .where(Integration.public_id == public_id, Integration.archived_at.is_(None))
    )
    db.session.close()
    return found or abort(404)


def _sites(account: Account) -> list[Site]:
    """The sites of an account that are not archived."""
    begin_as_reader(True)
    sites = db.session.scalars(
        select(Site).where(Site.account_id == account.id, Site.archived_at.is_(None)).order_by(Site.id)
    ).all()
    db.session.close()
    return list(sites)


def _origin(allowed: Callable[[str], bool]) -> str:
    """The page's origin, which the browser tells and a page cannot forge; 403 for one that is not allowed."""
    origin = request.headers.get("Origin") or request.headers.get("Referer") or ""
    host = host_of(origin) if origin.startswith(("https://", "http://")) else ""
    if not host or not allowed(host):
        metrics.hits.labels("refused").inc()
        abort(403)
    return origin


def _body() -> bytes:
    """The message, which is small; 413 for more."""
    if (request.content_length or 0) > LARGEST_HIT_BYTES:
        abort(413)
    body = request.stream.read(LARGEST_HIT_BYTES + 1)
    return body if len(body) <= LARGEST_HIT_BYTES else abort(413)


def _browser() -> Browser:
    return Browser(request.remote_addr, request.headers.get("User-Agent"))


@lru_cache(maxsize=4096)
def _is_robot(user_agent: str) -> bool:
    """True for robots that say so. A headless browser is what people's checks and tests run in, so it is none."""
    return is_crawler(user_agent[:500].replace("HeadlessChrome", "Chrome"))


def _served(script: scripts.Script) -> Response:
    """A script, packed where the browser can unpack it, and not sent again while it is the same."""
    packed = "gzip" in request.headers.get("Accept-Encoding", "") and bool(script.zipped)
    response = Response(script.zipped if packed else script.body, content_type="text/javascript; charset=utf-8")
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = f"public, max-age={SCRIPT_SECONDS}"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.set_etag(f"{script.etag}-z" if packed else script.etag)
    return response.make_conditional(request)


def _preflight(origin: str) -> Response:
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = "POST"
    response.headers["Access-Control-Allow-Headers"] = "Content-Type"
    response.headers["Access-Control-Max-Age"] = "86400"
    return _allowed(response, origin)


def _allowed(response: Response, origin: str) -> Response:
    """Let the page know that it was heard; only pages of the site are."""
    if request.headers.get("Origin"):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Vary"] = "Origin"
    return response
