"""«ё» is searched as «е», in what is stored already, too.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = "0011"
branch_labels = None
depends_on = None

#: The tables with a folded text. Triggers tell the search index of the communications among them.
TABLES = ("site", "campaign", "source", "employee", "tag", "visit", "communication")


def upgrade():
    for table in TABLES:
        folded = "replace(search_text, 'ё', 'е')"
        op.execute(sa.text(f"UPDATE {table} SET search_text = {folded} WHERE search_text LIKE '%ё%'"))


def downgrade():
    # Where the dots stood is not known any more; an older version finds these texts by «е».
    pass
