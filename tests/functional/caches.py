# SPDX-License-Identifier: Apache-2.0
"""Results that do not change between tests, kept for the whole process.

They are a fifth of the CPU time of a test with Nova. SQLAlchemy compiles
each statement once per database, and each test has databases of its own.
Placement checks its own JSON schemas, which are constants, at each request.
"""

import functools

from jsonschema import validators
from oslo_db.sqlalchemy import engines
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy import util

STATEMENTS = util.LRUCache(2000)


def keep():
    """Keep compiled statements and checked schemas from now on."""
    # The dialect is a part of the key, and each database has its own.
    dialect = pysqlite.SQLiteDialect_pysqlite
    dialect.__eq__ = lambda self, other: type(self) is type(other)
    dialect.__hash__ = lambda self: hash(type(self))
    engines.create_engine = functools.partial(_create, engines.create_engine)
    # What Placement's schemas, which do not name a draft, are checked by.
    validator = validators.validator_for({})
    validator.check_schema = functools.partial(
        _check, {}, validator.check_schema
    )


def _create(create_engine, *args, **kwargs):
    engine = create_engine(*args, **kwargs)
    if engine.dialect.name == 'sqlite':
        engine.update_execution_options(compiled_cache=STATEMENTS)
    return engine


def _check(checked, check_schema, schema, *args, **kwargs):
    """Check a schema, unless it is one of ``checked``, which are by id.

    They are kept, so that no other schema can have the same id.
    """
    if id(schema) not in checked:
        check_schema(schema, *args, **kwargs)
        checked[id(schema)] = schema
