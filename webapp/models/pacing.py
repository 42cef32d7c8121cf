"""How fast we may speak to somebody else's server."""

from __future__ import annotations

from sqlalchemy import Float, String
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class Lane(Base):
    """One limit that all processes share, such as the requests of one account to one vendor.

    ``free_at`` is the moment (Unix seconds) from which the next request may be sent.
    """

    __tablename__ = "lane"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    free_at: Mapped[float] = mapped_column(Float)
