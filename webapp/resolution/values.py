"""What resolution takes and gives: plain values, no rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from webapp.conversation import Clues

from .catalogue import Catalogue

#: The key of a session made of marks among those that were refused.
MARKS = "marks"

#: An outside cabinet's session ids are numbers, and exact in JSON up to here.
LARGEST_SESSION = 2**53 - 1


class Rule(StrEnum):
    """The rules, in the order in which they are asked."""

    VISIT = "visit"
    BEACON = "beacon"
    CONTACT = "contact"
    UTM = "utm"
    CHANNEL = "channel"
    DEFAULT = "default"
    NONE = "none"


class Outcome(StrEnum):
    """How a rule ended. Only ``ANSWERED`` decides; the others say why it could not."""

    ANSWERED = "answered"
    #: The visit is good, but matched no campaign, and the switch sends such chats on.
    NO_CAMPAIGN = "no_campaign"
    #: The rule has a source only, and the visit that is kept has one already (J13).
    ADDS_NOTHING = "adds_nothing"
    #: There was nothing to look at.
    ABSENT = "absent"
    #: A token is there, but it is not one of ours or of a shape we may read.
    FOREIGN = "foreign"
    #: The session is well-formed and nobody has seen it.
    UNKNOWN = "unknown"
    #: The session belongs to another account.
    OTHER_ACCOUNT = "other_account"
    #: The visit began after the conversation.
    LATER = "later"
    #: The visit is older than it may be.
    TOO_OLD = "too_old"
    #: The outside cabinet did not take the session, or what was made of the marks.
    REFUSED = "refused"
    #: The rule is switched off.
    OFF = "off"
    #: Marks are there, no campaign or source has a rule for them.
    NO_MATCH = "no_match"
    #: The channel is known and stands in no row of the table.
    UNMAPPED = "unmapped"
    #: The integration has no default.
    NOT_SET = "not_set"


@dataclass(frozen=True)
class VisitFacts:
    """A visit that may be the one. Ids are the directory's; None where the visit matched nothing."""

    id: int
    session_id: str
    started_at: datetime
    campaign: int | None = None
    source: int | None = None
    site: int | None = None
    marks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """Where a mapping or a default gives a chat: a campaign, or a source and a site."""

    campaign: int | None = None
    source: int | None = None
    site: int | None = None

    @property
    def empty(self) -> bool:
        """True when it names neither campaign nor source."""
        return self.campaign is None and self.source is None


@dataclass(frozen=True)
class Question:
    """The conversation to attribute: when it began (UTC), where, and what it says of itself."""

    started_at: datetime
    channel: str | None
    clues: Clues
    has_contact: bool = False


@dataclass(frozen=True)
class Sightings:
    """The visits that were found for the conversation, one for each way to look.

    ``named_elsewhere``: the session the payload names exists, but in another account. ``refused`` are the sessions that
    the outside cabinet did not take for this conversation, each with its word for why; ``MARKS`` stands in it for a
    session made of marks. ``beacon_session`` is the session that the site script tied to the person where sessions are
    the outside cabinet's.
    """

    named: VisitFacts | None = None
    named_elsewhere: bool = False
    beacon: VisitFacts | None = None
    beacon_session: str | None = None
    contact: VisitFacts | None = None
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """The account's and the integration's say: rules of campaigns and sources, mapping, default, switches.

    ``sessions_elsewhere``: visits are counted by an outside cabinet, so a session can be handed on and not looked up.
    ``marks_elsewhere``: it makes a session of marks, on one of ``sites`` (by domain), else on the default's.
    """

    catalogue: Catalogue = field(default_factory=lambda: Catalogue((), ()))
    mapping: Mapping[str, Target] = field(default_factory=dict)
    default: Target = Target()
    fill_without_campaign: bool = False
    contact_window_days: int | None = None
    sessions_elsewhere: bool = False
    marks_elsewhere: bool = False
    sites: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One line of the trail: the rule, how it ended, and the facts it saw (JSON values only)."""

    rule: Rule
    outcome: Outcome
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Attribution:
    """The decision: who brought this conversation, by which rule, and every rule that was tried.

    ``session`` is a session of an outside cabinet that was named and not looked up.
    """

    rule: Rule
    campaign: int | None
    source: int | None
    site: int | None
    visit: int | None
    trail: tuple[Step, ...]
    session: str | None = None

    @property
    def by_session(self) -> bool:
        """True where a visit or an outside cabinet's session is behind it."""
        return self.visit is not None or self.session is not None
