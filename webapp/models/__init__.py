"""The tables, one file an aggregate."""

from .account import Account, CabinetKind, Invitation, Membership, Role, User
from .alert import Alert, AlertMessage, AlertSetting
from .audit import AuditRecord, WorkerBeat
from .authorization import (
    Authorization,
    AuthorizationState,
    Lookup,
    Reconciliation,
    WaitingEvent,
    integration_authorization,
)
from .base import Base, use_encryption_keys, utc_now
from .communication import Communication
from .delivery import CabinetLink, CabinetPause, Delivery, DeliveryAttempt, DeliveryPhase, DeliveryState
from .directory import KINDS, PICKED, Campaign, Employee, Site, Source, Tag, clean_domain, fold, like
from .event import EventState, WebhookEvent, event_communication
from .integration import ChannelMapping, Integration, Target, TargetKind, Widget, hash_secret
from .pacing import Lane
from .repeats import look_again
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
from .task import LIVE, Redecision, Task, TaskFile, TaskKind, TaskState
from .visit import ScriptSighting, VendorClient, Visit, VisitTie

__all__ = [
    "KINDS",
    "LIVE",
    "PICKED",
    "Account",
    "Alert",
    "AlertMessage",
    "AlertSetting",
    "AuditRecord",
    "Authorization",
    "AuthorizationState",
    "Base",
    "CabinetKind",
    "CabinetLink",
    "CabinetPause",
    "Campaign",
    "ChannelMapping",
    "Communication",
    "CommunicationChange",
    "CommunicationCount",
    "CountedZone",
    "DayToCount",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryPhase",
    "DeliveryState",
    "Employee",
    "EventState",
    "Export",
    "ExportPart",
    "ExportState",
    "Grain",
    "Integration",
    "Invitation",
    "Lane",
    "Lookup",
    "Membership",
    "Reconciliation",
    "Redecision",
    "Role",
    "SavedView",
    "ScriptSighting",
    "Site",
    "Source",
    "Tag",
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
    "WaitingEvent",
    "WebhookEvent",
    "Widget",
    "WorkerBeat",
    "clean_domain",
    "count_changes",
    "event_communication",
    "fold",
    "hash_secret",
    "integration_authorization",
    "is_search_table",
    "like",
    "look_again",
    "use_encryption_keys",
    "utc_now",
]
