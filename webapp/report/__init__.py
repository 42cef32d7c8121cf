"""The page «Обращения и цели» without its pages: filters, search, counters, columns, charts, files.

The way of a change: triggers write CommunicationChange (models.search_index) → digest → the index, the counters, and
whether a contact had written before. The way of a question: filters → scope (how much may be looked at) → listing,
counting, charts, export.
"""
