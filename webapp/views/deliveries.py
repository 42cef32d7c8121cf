"""«Передача»: how each communication's way to the outside cabinet stands, every attempt, and trying again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, abort, flash, g, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from webapp import audit, tasks
from webapp.cabinets.dataapi import handing, listing, settling, words
from webapp.extensions import db
from webapp.models import CabinetKind, Communication, Delivery, DeliveryAttempt, DeliveryState, Role, TaskKind

from .access import member
from .communications import heading
from .days import day_of, midnight
from .delivery_card import STATE_NAMES, STATE_PILLS, about, why
from .numbers import number_argument
from .partial import done

blueprint = Blueprint("deliveries", __name__, url_prefix="/a/<slug>/deliveries")

PAGE_SIZE = 50


@blueprint.get("")
@member(Role.VIEWER)
def index() -> str:
    """The list, the latest first."""
    chosen = _chosen()
    before = number_argument("before")
    query = (
        select(Delivery)
        .where(*listing.chosen(g.account.id, _asked(chosen)))
        .options(
            joinedload(Delivery.communication).load_only(
                Communication.type, Communication.started_at, Communication.contact_name,
                Communication.contact_phone, Communication.contact_email, Communication.channel,
            )
        )
    )  # fmt: skip
    place = listing.place_of(db.session(), g.account.id, before) if before else None
    rows = list(db.session.scalars(listing.latest_first(query, place).limit(PAGE_SIZE + 1)))
    more, rows = len(rows) > PAGE_SIZE, rows[:PAGE_SIZE]
    return render_template(
        "deliveries/list.html",
        rows=[{"delivery": row, "heading": heading(row.communication), "why": why(row)} for row in rows],
        chosen=chosen,
        states=STATE_NAMES,
        pills=STATE_PILLS,
        reasons=words.reasons(),
        counts=handing.counts(db.session(), g.account.id),
        outside=g.account.cabinet_kind == CabinetKind.DATAAPI,
        older_url=url_for("deliveries.index", slug=g.account.slug, before=rows[-1].id, **chosen) if more else None,
        newer_url=url_for("deliveries.index", slug=g.account.slug, **chosen) if before else None,
    )


@blueprint.get("/<int:number>")
@member(Role.VIEWER)
def show(number: int) -> str:
    """One delivery: how it stands and every attempt, masked."""
    found = _delivery(number)
    attempts = db.session.scalars(
        select(DeliveryAttempt)
        .where(DeliveryAttempt.delivery_id == found.id)
        .order_by(DeliveryAttempt.id.desc())
        .limit(100)
    ).all()
    return render_template(
        "deliveries/show.html",
        **about(found),
        attempts=attempts,
        communication=found.communication,
        title=_("Передача: %(what)s", what=heading(found.communication)),
    )


@blueprint.post("/<int:number>/retry")
@member(Role.EDITOR)
def retry(number: int) -> Any:
    """Try one again at once."""
    found = _delivery(number, lock=True)
    if found.state in (DeliveryState.HELD, DeliveryState.FAILED, DeliveryState.PENDING):
        if found.state == DeliveryState.HELD and found.reason in handing.BY_A_PERSON:
            # They have looked, and say that it is not there.
            settling.trust_a_person(found)
        if found.reason != handing.UNFINISHED:
            handing.again(db.session(), found)
            _record("delivery.retry", str(found.communication_id))
        flash(_("Передаём ещё раз."), "ok")
    db.session.commit()
    return done(url_for("deliveries.show", slug=g.account.slug, number=number))


@blueprint.post("/<int:number>/resend")
@member(Role.EDITOR)
def resend(number: int) -> Any:
    """Delete it in the cabinet and send it as it is now."""
    found = _delivery(number, lock=True)
    if found.state == DeliveryState.DELIVERED:
        handing.take_back(db.session(), found)
        _record("delivery.resend", str(found.communication_id))
        flash(_("Удаляем в кабинете и передаём заново."), "ok")
    db.session.commit()
    return done(url_for("deliveries.show", slug=g.account.slug, number=number))


@blueprint.post("/retry")
@member(Role.EDITOR)
def retry_many() -> Any:
    """Let a worker try again all that the filter shows and that does not go on by itself."""
    chosen = _chosen(request.form)
    running = tasks.busy(db.session, g.account.id, TaskKind.RETRY)
    if running is not None:
        flash(_("Повторная передача уже идёт: дождитесь её конца или остановите её."), "attention")
        return done(url_for("tasks.show", slug=g.account.slug, number=running.id))
    last = db.session.scalar(select(func.max(Delivery.id))) or 0
    params = _asked(chosen) | {"last": last}
    task = tasks.start(db.session, TaskKind.RETRY, g.account.id, current_user.email, params=params)
    _record("delivery.retry", str(task.id))
    db.session.commit()
    flash(_("Повторная передача началась."), "ok")
    return done(url_for("tasks.show", slug=g.account.slug, number=task.id))


def _chosen(sent: Any = None) -> dict[str, Any]:
    """The filters of this request that are known, as parameters of an address."""
    sent = request.args if sent is None else sent
    values = {
        "state": sent.get("state") if sent.get("state") in list(DeliveryState) else None,
        "reason": sent.get("reason") if sent.get("reason") in words.reasons() else None,
        "since": day_of(sent.get("since")),
        "until": day_of(sent.get("until")),
        "differs": "1" if sent.get("differs") == "1" else None,
    }
    return {name: value for name, value in values.items() if value}


def _asked(chosen: dict[str, Any]) -> dict[str, Any]:
    """The filters in the terms of listing.chosen: days of the account's zone as moments."""
    asked = {name: value for name, value in chosen.items() if name not in ("since", "until")}
    if chosen.get("since"):
        asked["since"] = midnight(chosen["since"]).isoformat()
    if chosen.get("until"):
        asked["until"] = midnight(chosen["until"] + timedelta(days=1)).isoformat()
    return asked


def _delivery(number: int, *, lock: bool = False) -> Delivery:
    query = (
        select(Delivery)
        .options(joinedload(Delivery.communication))
        .where(Delivery.id == number, Delivery.account_id == g.account.id)
    )
    return db.session.scalar(query.with_for_update(of=Delivery) if lock else query) or abort(404)


def _record(action: str, subject: str) -> None:
    audit.record(db.session, g.account.id, user=current_user, action=action, subject=subject, changes={})
