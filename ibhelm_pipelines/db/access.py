"""Roles, their settings, and the rights that no dump holds: said again after each migration and each restore.

Invariant: saying it twice changes nothing, and what an admin has set otherwise for a role stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection


def make_roles(connection: Connection) -> None:
    """Make the roles that the server lacks; they get their passwords from `ibhelm up`, or the admin.

    Raises:
        ConfigurationError: the connection's role may make none.
    """
    try:
        connection.execute(load_queries("access")["roles"])
    except psycopg.errors.InsufficientPrivilege as error:
        missing = [name for (name,) in connection.execute(load_queries("access")["missing_roles"])]
        raise ConfigurationError(
            f"The server has no role {', '.join(missing)}, and this one may not make any.",
            next_step="Let a superuser run `create role NAME nologin` for each, then try again.",
        ) from error


def grant_rights(connection: Connection) -> None:
    """Say who may do what, where that is not said in the tables; does nothing for a role that does not own them.

    Args:
        connection: to a database of ours, in autocommit mode.
    """
    [(may_grant,)] = connection.execute(load_queries("access")["may_grant"]).fetchall()
    if may_grant:
        connection.execute(load_queries("access")["rights"])
