"""This is where it is kept which pictures a domain sends again and again: logos and banners that only decorate."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from maild.store.inserting import insert_or_ignore
from maild.store.schema import pictures

ENOUGH = 3  # other cases in which a picture came before it counts as decoration


def usual(connection: Connection, domain: str, hashes: Sequence[str], case: int | None) -> frozenset[str]:
    """Those of these pictures (SHA-256, hex) that came from this domain in at least ENOUGH cases other than ``case``."""
    if not hashes or not domain:
        return frozenset()
    found = (
        select(pictures.c.sha256)
        .where(pictures.c.domain == domain, pictures.c.sha256.in_(hashes), pictures.c.case_number != (case or 0))
        .group_by(pictures.c.sha256)
        .having(func.count() >= ENOUGH)
    )
    return frozenset(connection.execute(found).scalars())


def remember(connection: Connection, domain: str, hashes: Sequence[str], case: int) -> None:
    """These pictures came from this domain in this case."""
    for one in dict.fromkeys(hashes):
        insert_or_ignore(connection, pictures, {"sha256": one, "domain": domain, "case_number": case})
