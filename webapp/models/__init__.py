"""The tables, one file an aggregate."""

from .account import Account, CabinetKind, Invitation, Membership, Role, User
from .alert import Alert, AlertMessage, AlertSetting
from .audit import AuditRecord, WorkerBeat
from .base import Base, use_encryption_keys, utc_now
from .communication import Communication
from .directory import KINDS, Campaign, Employee, Site, Source, clean_domain, fold
from .event import EventState, WebhookEvent, event_communication
from .integration import ChannelMapping, Integration, Target, TargetKind, Widget, hash_secret
from .pacing import Lane
from .revisions import count_changes
from .task import LIVE, Redecision, Task, TaskFile, TaskKind, TaskState
from .visit import ScriptSighting, VendorClient, Visit, VisitTie

__all__ = [
    "KINDS",
    "LIVE",
    "Account",
    "Alert",
    "AlertMessage",
    "AlertSetting",
    "AuditRecord",
    "Base",
    "CabinetKind",
    "Campaign",
    "ChannelMapping",
    "Communication",
    "Employee",
    "EventState",
    "Integration",
    "Invitation",
    "Lane",
    "Membership",
    "Redecision",
    "Role",
    "ScriptSighting",
    "Site",
    "Source",
    "Target",
    "TargetKind",
    "Task",
    "TaskFile",
    "TaskKind",
    "TaskState",
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
    "use_encryption_keys",
    "utc_now",
]
