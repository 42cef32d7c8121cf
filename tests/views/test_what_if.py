"""B2: before saving one sees what would change, and nothing has changed; afterwards past chats can be decided anew."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.attributed import chat
from tests.factories import make_campaign, make_integration, make_site, make_source, make_task, make_visit
from tests.views.acting import beside, everything, filled, flash, path_of, rows, said
from webapp.jobs import handlers
from webapp.models import AuditRecord, Communication, Task, TaskFile, TaskKind, TaskState, utc_now

PAGE = "/a/romashka/integrations/jivo"
RECOUNT = "/a/romashka/reattribution"


@pytest.fixture
def jivo(session, account):
    made = make_integration(session, account, saved_at=utc_now())
    session.rollback()
    return made


@pytest.fixture
def chats(session, jivo):
    """Three chats of yesterday that went nowhere, one of them from Telegram, and one of a past that nobody looks at."""
    day = utc_now() - timedelta(days=1)
    made = [chat(session, jivo, started_at=day, contact_name=name) for name in ("Анна", "Олег")]
    made.append(chat(session, jivo, started_at=day, channel="telegram", contact_name="Пётр"))
    chat(session, jivo, started_at=day - timedelta(days=40), contact_name="Давно")
    session.rollback()
    return made


def settings(owner, **changes):
    return filled(owner.get(PAGE).select_one("#settings-form")) | changes


def look(owner, data, path=f"{PAGE}/settings", **options):
    return owner.post(path, {**data, "action": "whatif"}, 200, **options)


def test_a_changed_default_shows_what_it_would_do_and_saves_nothing(session, owner, jivo, chats, account):
    source = make_source(session, account)
    typed = {"name": "Другое имя", "kind": "source", "source": source.id, "source_text": source.label}
    data, before = settings(owner, **typed), everything(session)
    page = look(owner, data)
    card = page.select_one("#forecast")
    assert "3 обращен" in said(card)
    [row] = rows(card)
    assert row[0] == "Без атрибуции без атрибуции"
    assert row[1] == "Источник «Telegram-канал» по умолчанию"
    assert row[2] == "3"
    assert row[3].startswith("Чат · ")
    assert everything(session) == before
    assert page.select_one("#name")["value"] == "Другое имя", "what was typed stays"
    assert page.select_one("#source")["value"] == source.label


def test_a_changed_mapping_is_told_beside_the_default(session, owner, jivo, chats, account):
    site = make_site(session, account)
    campaign = make_campaign(session, account, site_id=site.id)
    source = make_source(session, account)
    page = look(
        owner,
        settings(
            owner,
            **{
                "kind": "campaign",
                "campaign": campaign.id,
                "campaign_text": campaign.label,
                "map-0-channel": "telegram",
                "map-0-kind": "source",
                "map-0-source": source.id,
                "map-0-source_text": source.label,
            },
        ),
        partial=True,
    )
    told = {row[1]: row[2] for row in rows(page.select_one("#forecast"))}
    assert told == {
        "Кампания «Яндекс.Директ», сайт shop.example по умолчанию": "2",
        "Источник «Telegram-канал» мессенджер": "1",
    }
    assert page.find("html") is None


def test_a_form_with_errors_is_looked_at_by_nobody(owner, jivo, chats):
    page = owner.post(f"{PAGE}/settings", settings(owner, name="") | {"action": "whatif"}, 422)
    assert page.select_one("#forecast") is None
    assert beside(page, "name")


def test_without_chats_or_changes_it_says_so(owner, jivo, session):
    assert "сравнивать не на чем" in said(look(owner, settings(owner)).select_one("#forecast"))
    chat(session, jivo, started_at=utc_now())
    session.rollback()
    assert "остались бы там же" in said(look(owner, settings(owner)).select_one("#forecast"))


def test_what_stays_as_it_is_says_why(session, owner, jivo, account):
    visit = make_visit(session, account)
    chat(session, jivo, visit.session_id, started_at=utc_now())
    session.delete(visit)
    source = make_source(session, account)
    session.commit()
    session.rollback()
    typed = {"kind": "source", "source": source.id, "source_text": source.label}
    card = said(look(owner, settings(owner, **typed)).select_one("#forecast"))
    assert "Ничего" in card
    assert "Оставлено: их сессии здесь больше нет: 1" in card


def entry(owner, path, value, **more):
    """The form of a campaign with one rule."""
    rule = {"rule-0-0-mark": "utm_source", "rule-0-0-op": "equals", "rule-0-0-value": value}
    return filled(owner.get(path).select_one("#entry-form")) | rule | more


@pytest.mark.parametrize("new", [False, True])
def test_a_campaigns_rules_show_what_they_would_do(session, owner, jivo, account, new):
    campaign = make_campaign(session, account)
    chat(session, jivo, started_at=utc_now(), utm={"source": "yandex"})
    path = f"/a/romashka/directory/campaigns/{'new' if new else campaign.id}"
    session.rollback()
    data, before = entry(owner, path, "yandex", name="Осень"), everything(session)
    page = look(owner, data, path, partial=True)
    [row] = rows(page.select_one("#forecast"))
    assert row[1] == ("Кампания «Осень» UTM чата")
    assert everything(session) == before
    assert page.select_one("#name")["value"] == "Осень"
    assert look(owner, entry(owner, path, "google", name="Осень"), path).select_one("#forecast") is not None


def test_a_saved_page_leads_to_past_chats(owner, jivo):
    link = owner.get(PAGE).find("a", string="Пересчитать прошлые")
    page = owner.get(link["href"])
    assert page.select_one("#integration option[selected]").get_text() == "Jivo"


def fields(owner, **changes):
    return filled(owner.get(RECOUNT).select_one("#range form")) | changes


def test_past_chats_are_decided_anew_told_and_taken_back(app, session, owner, jivo, chats, account):
    source = make_source(session, account)
    jivo.point_to("source", None, source.id, None)
    session.commit()
    session.rollback()
    page = look(owner, fields(owner), RECOUNT)
    assert "3 обращен" in said(page.select_one("#forecast"))
    address = path_of(owner.post(RECOUNT, fields(owner)))
    [task] = session.scalars(select(Task))
    number = task.id
    session.rollback()
    assert said(owner.get(address).select_one("#task-card")).startswith("в очереди")
    assert owner.get(address).select_one("#task-card")["hx-get"] == f"{address}/card"
    handlers(app)[TaskKind.REATTRIBUTE](number)
    page = owner.get(address)
    assert "Обращений отнесено иначе 3" in said(page.select_one(".facts"))
    assert page.select_one("#task-card").get("hx-get") is None
    assert [one.source_id for one in session.scalars(select(Communication))].count(source.id) == 3
    session.rollback()
    undo = path_of(owner.post(f"{address}/undo"))
    second = int(undo.rsplit("/", 1)[1])
    handlers(app)[TaskKind.UNDO](second)
    assert "Обращений возвращено 3" in said(owner.get(undo).select_one(".facts"))
    session.rollback()
    assert {one.source_id for one in session.scalars(select(Communication))} == {None}
    actions = [record.action for record in session.scalars(select(AuditRecord).order_by(AuditRecord.id))]
    assert actions == ["task.reattribute", "task.undo"]


def test_days_that_are_none_are_told_beside_the_field(owner, jivo):
    page = owner.post(RECOUNT, fields(owner, since="2026-11-31"), 422)
    assert beside(page, "since").startswith("Введите день")
    page = owner.post(RECOUNT, fields(owner, since="2026-11-20", until="2026-11-19"), 422)
    assert beside(page, "until").startswith("Последний день раньше первого")


def test_one_at_a_time(session, owner, jivo, account):
    task = make_task(session, account)
    number = task.id
    session.rollback()
    assert path_of(owner.post(RECOUNT, fields(owner))) == f"/a/romashka/tasks/{number}"
    assert "уже идёт" in said(owner.get(RECOUNT).select_one("#range"))
    assert len(session.scalars(select(Task)).all()) == 1


def test_a_task_can_be_stopped(session, owner, account):
    task = make_task(session, account, state=TaskState.RUNNING)
    path = f"/a/romashka/tasks/{task.id}"
    session.add(TaskFile(task_id=task.id, number=0, name="a.jsonl", data=b"{}"))
    session.commit()
    session.rollback()
    assert flash(owner.follow(f"{path}/stop")) == "Остановлено. Сделанное до этого осталось."
    session.rollback()
    assert session.scalars(select(TaskFile)).all() == []
    assert (task.state, task.finished_at is not None) == (TaskState.STOPPED, True)
    session.rollback()
    owner.post(f"{path}/undo", status=400)


def test_what_was_changed_long_ago_is_not_taken_back(session, owner, account):
    task = make_task(
        session, account, state=TaskState.DONE, counts={"changed": 1}, finished_at=utc_now() - timedelta(days=91)
    )
    path = f"/a/romashka/tasks/{task.id}"
    session.rollback()
    assert owner.get(path).find("form", action=f"{path}/undo") is None
    owner.post(f"{path}/undo", status=400)


def test_all_tasks_are_listed(session, owner, account):
    for kind in TaskKind:
        make_task(session, account, kind, counts={"changed": 2, "new": 3})
    session.rollback()
    listed = rows(owner.get("/a/romashka/tasks"))
    assert [row[1] for row in listed][::-1] == [
        "Пересчёт атрибуции",
        "Отмена пересчёта",
        "Повторная обработка событий",
        "Загрузка архива",
        "Удаление данных человека",
        "Повторная передача",
    ]
