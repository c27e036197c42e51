"""This is where the daemons on one database are compared: different rules on each is the fault to expect with several.

Every daemon writes its version and the hash of its configuration with each heartbeat. A reload that goes from machine to
machine is no fault; what still differs after that is told to the admins, once.
"""

from __future__ import annotations

from datetime import datetime

from maild.desk import Desk
from maild.log import get_logger
from maild.office import Office
from maild.store import installation
from maild.store.alone import alone
from maild.store.unit_of_work import Store

log = get_logger("nodes")

_TOLD = "nodes_differ"


def compare(store: Store, office: Office, now: datetime) -> bool:
    """See whether the daemons run different configurations; returns whether the admins were told of it now."""
    with store.read() as connection:
        differ = installation.differ(installation.living(connection, now), now)
        if differ == bool(installation.get_meta(connection, _TOLD)):
            return False
    with store.write() as connection:
        alone(connection, _TOLD)
        rows = installation.living(connection, now)
        differ = installation.differ(rows, now)
        if differ == bool(installation.get_meta(connection, _TOLD)):
            return False  # another daemon was faster
        installation.set_meta(connection, _TOLD, now.isoformat() if differ else "")
        if not differ:
            return False
        each = "\n".join(f"{row.node}: configuration {(row.shared_hash or row.config_hash)[:12]}, maild {row.version}" for row in rows)
        Desk(office, connection, now).tell_admins(
            "the daemons on this database run different configurations",
            "bring the same files to each machine and run there: maild reload (maild status --nodes lists them)", each,
        )  # fmt: skip
    log.error("nodes.differ", nodes=len(rows))
    return True
