# SPDX-License-Identifier: Apache-2.0
"""Which nova-schedulers there are, by Nova's databases."""

import contextlib
from typing import Any

from nova import context as nova_context
from nova.db.api import api as api_db
from nova.db.main import api as main_db
from nova import objects
from nova import rpc
from oslo_config import cfg
from oslo_db import exception as db_exception
from oslo_messaging import exceptions as mq  # type: ignore[import-untyped]
from oslo_utils import importutils
import sqlalchemy

from nova_mdev_compat.checks import words

BINARY = 'nova-scheduler'
# As in nova.config. It is optional for Nova, but not for other services, so
# that it is there wherever they share an environment.
profiler = importutils.try_import('osprofiler.opts')

_NO_MESSAGES = (mq.MessagingException, mq.ConfigurationError)
#: Of a database that is away, is no Nova's, or whose driver is missing; and
#: of the messages of a cell, which come with its database.
_ERRORS = (
    db_exception.DBError,
    db_exception.CantStartEngineError,
    sqlalchemy.exc.SQLAlchemyError,
    ImportError,
    *_NO_MESSAGES,
)


def configure(conf: cfg.ConfigOpts) -> None:
    """Prepare to ask, as Nova's own commands do."""
    for group in ('database', 'api_database'):
        # A service waits for its database; here somebody waits for us.
        conf.set_override('max_retries', 1, group=group)
        conf.set_override('retry_interval', 0, group=group)
    if profiler:
        # Where it is installed, Nova reads its options.
        profiler.set_defaults(conf)
    main_db.configure(conf)
    api_db.configure(conf)
    with contextlib.suppress(*_NO_MESSAGES):
        # None is sent, but cells are not found without the options of this.
        rpc.init(conf)
    objects.register_all()


def registered() -> tuple[frozenset[str], dict[str, str]]:
    """Return where nova-schedulers are registered, whether they run or not.

    A scheduler registers in the ``[database]`` of its own nova.conf: that of
    cell0 by Nova's guides, and that of another cell in some clouds. So all
    are asked.

    :returns: hosts; and databases that do not answer, with what is wrong
    """
    context = nova_context.get_admin_context()
    found: set[str] = set()
    silent: dict[str, str] = {}
    for name, cell in _databases(context, silent):
        try:
            with nova_context.target_cell(context, cell) as in_cell:
                found |= _hosts(in_cell)
        except _ERRORS as exc:
            silent[name] = words.line(exc)
    return frozenset(found), silent


def _databases(context: Any, silent: dict[str, str]) -> list[tuple[str, Any]]:
    """Return names of databases, with the mappings of those of cells."""
    found: list[tuple[str, Any]] = [('[database]', None)]
    try:
        for cell in objects.CellMappingList.get_all(context):
            found.append((f'cell {cell.name or cell.uuid}', cell))
    except _ERRORS as exc:
        silent['[api_database]'] = words.line(exc)
    return found


def _hosts(context: Any) -> set[str]:
    # Disabling one only says so; it goes on to schedule.
    return {
        service.host
        for service in objects.ServiceList.get_by_binary(
            context, BINARY, include_disabled=True
        )
    }
