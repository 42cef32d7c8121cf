"""``events``: export, replay, import (B3)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from tests.factories import make_account, make_integration
from webapp.cli import events as events_command
from webapp.intake import accept
from webapp.models import Communication, EventState, Integration, WebhookEvent, utc_now


def body(chat: int = 1, **more) -> bytes:
    """A finished chat as Jivo tells it."""
    messages = [{"type": "visitor", "message": "Здравствуйте", "timestamp": 1_795_200_000 + chat}]
    return json.dumps(
        {"event_name": "chat_finished", "chat_id": chat, "widget_id": "w", "chat": {"messages": messages}, **more},
        ensure_ascii=False,
    ).encode()


@pytest.fixture
def jivo(session) -> Integration:
    return make_integration(session, make_account(session))


def receive(session, integration: Integration, *bodies: bytes, state: str | None = None) -> list[int]:
    """Events of these bodies, as if they had come in and, with a state, had ended so."""
    ids = []
    for one in bodies:
        ids.append(accept(session, integration, one).event_id)
    if state:
        session.execute(
            update(WebhookEvent).where(WebhookEvent.id.in_(ids)).values(state=state, error="KeyError: 'chat'")
        )
    session.commit()
    return ids


def run(runner, *args: str, code: int = 0):
    result = runner.invoke(args=["events", *args])
    assert result.exit_code == code, result.output
    return result


def states(session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(WebhookEvent.state).order_by(WebhookEvent.id)))


class TestExport:
    def test_the_line_has_the_fixed_keys(self, runner, session, jivo):
        at = datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC)
        accept(session, jivo, body(), channel="tg", received_at=at)
        session.commit()
        accept(session, jivo, body(), channel="tg")
        session.commit()
        communication = session.scalars(select(Communication.id)).one()
        assert run(runner, "export").stdout == (
            '{"id": "1", "account": "romashka", "integration": "jivo", "received_at": "2026-11-20T09:00:01Z", '
            '"channel": "telegram", "state": "done", "error": null, "repeats": 1, '
            f'"communications": ["{communication}"]}}\n'
        )

    def test_an_account_is_exported_without_the_others(self, runner, session, jivo):
        receive(session, jivo, body())
        receive(session, make_integration(session, make_account(session, "other")), body(2))
        lines = [json.loads(line) for line in run(runner, "export", "--account", "romashka").stdout.splitlines()]
        assert [line["account"] for line in lines] == ["romashka"]
        assert len(run(runner, "export").stdout.splitlines()) == 2
        assert 'no account has the slug "x"' in run(runner, "export", "--account", "x", code=1).stderr

    def test_a_failure_is_exported_with_its_error(self, runner, session, jivo):
        receive(session, jivo, body(), state=EventState.FAILED)
        line = json.loads(run(runner, "export").stdout)
        assert (line["state"], line["error"]) == ("failed", "KeyError: 'chat'")


class TestReplay:
    def test_failed_events_are_processed_again(self, runner, session, jivo):
        receive(session, jivo, body(1), body(2), state=EventState.FAILED)
        assert run(runner, "replay", "--failed").stdout == "2 done, 0 still failed, 0 skipped\n"
        assert states(session) == ["done", "done"]
        assert len(session.scalars(select(Communication)).all()) == 2

    def test_what_still_fails_is_counted_and_tried_once(self, runner, session, jivo, monkeypatch):
        receive(session, jivo, body(1), body(2), state=EventState.FAILED)
        tried = []

        def fail(_session, _integration, event):
            tried.append(event.id)
            event.state = EventState.FAILED

        monkeypatch.setattr("webapp.jobs.replay_failed.process", fail)
        assert run(runner, "replay", "--failed").stdout == "0 done, 2 still failed, 0 skipped\n"
        assert tried == [1, 2]

    @pytest.mark.parametrize("ids", [("--id", "1", "--id", "3"), ("--id", "1", "3"), ("--id", "3", "1", "--id", "1")])
    def test_single_events_are_processed_whatever_their_state(self, runner, session, jivo, ids):
        receive(session, jivo, body(1), body(2), body(3), state=EventState.FAILED)
        assert run(runner, "replay", *ids).stdout == "2 done, 0 still failed, 0 skipped\n"
        assert states(session) == ["done", "failed", "done"]
        assert run(runner, "replay", *ids).stdout == "2 done, 0 still failed, 0 skipped\n"
        assert len(session.scalars(select(Communication)).all()) == 3

    def test_an_unknown_id_is_told_and_the_others_are_done(self, runner, session, jivo):
        receive(session, jivo, body(1), state=EventState.FAILED)
        result = run(runner, "replay", "--id", "1", "99", code=1)
        assert "no event has the id 99" in result.stderr
        assert states(session) == ["done"]

    def test_an_account_keeps_the_others_out(self, runner, session, jivo):
        other = make_integration(session, make_account(session, "other"))
        receive(session, jivo, body(1), state=EventState.FAILED)
        receive(session, other, body(2), state=EventState.FAILED)
        run(runner, "replay", "--failed", "--account", "other")
        assert states(session) == ["failed", "done"]
        assert "no event has the id 1" in run(runner, "replay", "--id", "1", "--account", "other", code=1).stderr

    @pytest.mark.parametrize("off", [{"active": False}, {"archived_at": utc_now()}])
    def test_integrations_that_are_off_are_skipped_and_named(self, runner, session, jivo, off):
        receive(session, jivo, body(1), body(2), state=EventState.FAILED)
        for name, value in off.items():
            setattr(jivo, name, value)
        session.commit()
        result = run(runner, "replay", "--failed")
        assert 'the integration "jivo" is off: 2 skipped' in result.stderr
        assert result.stdout == "0 done, 0 still failed, 2 skipped\n"
        assert states(session) == ["failed", "failed"]

    def test_what_came_while_an_integration_was_off_can_be_processed(self, runner, session, jivo):
        jivo.active = False
        receive(session, jivo, body(1))
        jivo.active = True
        receive(session, jivo, body(2), state=EventState.FAILED)
        assert run(runner, "replay", "--stored").stdout == "1 done, 0 still failed, 0 skipped\n"
        assert states(session) == ["done", "failed"]

    @pytest.mark.parametrize("args", [(), ("--failed", "--id", "1"), ("7",), ("--failed", "7")])
    def test_it_must_be_said_which(self, runner, args):
        assert "say which events" in run(runner, "replay", *args, code=2).stderr


class TestImport:
    def run(self, runner, path, content: bytes, *more: str, code: int = 0):
        path.write_bytes(content)
        return run(runner, "import", str(path), "--account", "romashka", "--integration", "jivo", *more, code=code)

    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "archive.jsonl"

    def test_bodies_become_events_and_communications_once(self, runner, session, jivo, path):
        content = b"\n".join([body(1), body(2), body(1), b"nothing"])
        result = self.run(runner, path, content)
        assert result.stdout == "2 new, 1 known, 1 refused\n"
        assert "line 4: the body is no JSON object" in result.stderr
        assert self.run(runner, path, content).stdout == "0 new, 3 known, 1 refused\n"
        assert len(session.scalars(select(Communication)).all()) == 2

    def test_what_came_by_the_webhook_is_known(self, runner, session, jivo, path):
        receive(session, jivo, body(1))
        assert self.run(runner, path, body(1) + b"\n" + body(2)).stdout == "1 new, 1 known, 0 refused\n"

    def test_a_log_brings_time_and_channel(self, runner, session, jivo, path):
        lines = (
            b"2026-11-20 12:00:01", b"POST https://lead.example/hooks/jivo/secret/tg", body(1), b"Response code: 500",
            b"2026-11-20 12:00:02", b"POST https://other.example", body(2), b"Response code: 200",
        )  # fmt: skip
        assert self.run(runner, path, b"\n".join(lines), "--channel", "wa").stdout == "2 new, 0 known, 0 refused\n"
        assert session.execute(
            select(WebhookEvent.received_at, WebhookEvent.channel).order_by(WebhookEvent.id)
        ).all() == [
            (datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC), "telegram"),
            (datetime(2026, 11, 20, 9, 0, 2, tzinfo=UTC), "whatsapp"),
        ]

    def test_while_the_integration_is_off_bodies_are_only_stored(self, runner, session, jivo, path):
        jivo.active = False
        session.commit()
        result = self.run(runner, path, body(1))
        assert "is off: the bodies are stored" in result.stderr
        assert states(session) == ["stored"]

    def test_many_bodies_are_committed_in_batches(self, runner, session, jivo, path, monkeypatch):
        """What was imported before a crash stays, and the next run counts it as known."""
        monkeypatch.setattr(events_command, "IMPORT_BATCH", 2)
        genuine = events_command.accept

        def crash(session, integration, content, **more):
            if content == body(6):
                raise RuntimeError
            return genuine(session, integration, content, **more)

        content = b"\n".join(body(number) for number in range(1, 8))
        monkeypatch.setattr(events_command, "accept", crash)
        self.run(runner, path, content, code=1)
        monkeypatch.setattr(events_command, "accept", genuine)
        assert self.run(runner, path, content).stdout == "3 new, 4 known, 0 refused\n"

    def test_failures_are_told(self, runner, session, jivo, path, monkeypatch):
        monkeypatch.setattr("webapp.intake.record", lambda *_, **__: 1 / 0)
        result = self.run(runner, path, body(1))
        assert "1 of them failed in processing" in result.stderr
        assert states(session) == ["failed"]

    def test_an_unknown_form_account_or_integration_is_refused(self, runner, session, jivo, path):
        assert "archive.jsonl is neither JSON nor" in self.run(runner, path, b"hello", code=1).stderr
        for args, words in (
            (("--account", "x", "--integration", "jivo"), 'no account has the slug "x"'),
            (("--account", "romashka", "--integration", "x"), "has no integration with the key"),
        ):
            assert words in run(runner, "import", str(path), *args, code=1).stderr
