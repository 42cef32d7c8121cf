"""The tables, one file an aggregate."""

from .account import Account, CabinetKind, Invitation, Membership, Role, User
from .audit import AuditRecord, WorkerBeat
from .base import Base, use_encryption_keys, utc_now
from .communication import Communication
from .directory import KINDS, Campaign, Employee, Site, Source, clean_domain, fold
from .event import EventState, WebhookEvent, event_communication
from .integration import ChannelMapping, Integration, Target, TargetKind, Widget, hash_secret
from .pacing import Lane
from .report import (
    CommunicationChange,
    CommunicationCount,
    CountedZone,
    DayToCount,
    Export,
    ExportPart,
    ExportState,
    Grain,
    SavedView,
)
from .revisions import count_changes
from .search_index import is_search_table
from .visit import ScriptSighting, VendorClient, Visit, VisitTie

__all__ = [
    "KINDS",
    "Account",
    "AuditRecord",
    "Base",
    "CabinetKind",
    "Campaign",
    "ChannelMapping",
    "Communication",
    "CommunicationChange",
    "CommunicationCount",
    "CountedZone",
    "DayToCount",
    "Employee",
    "EventState",
    "Export",
    "ExportPart",
    "ExportState",
    "Grain",
    "Integration",
    "Invitation",
    "Lane",
    "Membership",
    "Role",
    "SavedView",
    "ScriptSighting",
    "Site",
    "Source",
    "Target",
    "TargetKind",
    "User",
    "VendorClient",
    "Visit",
    "VisitTie",
    "WebhookEvent",
    "Widget",
    "WorkerBeat",
    "clean_domain",
    "count_changes",
    "event_communication",
    "fold",
    "hash_secret",
    "is_search_table",
    "use_encryption_keys",
    "utc_now",
]
