"""This is where Alembic meets maild's connection; `store.migrate` hands it over."""

from __future__ import annotations

from alembic import context

from maild.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
    render_as_batch=True,
)
context.run_migrations()
