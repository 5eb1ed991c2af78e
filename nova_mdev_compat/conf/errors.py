# SPDX-License-Identifier: Apache-2.0
"""Errors of options, as messages show them.

This module imports only oslo.config, because libvirt waits for
nova-mdev-guard.
"""

from collections.abc import Iterable, Iterator
import re

from oslo_config import cfg

#: oslo.config's message for a wrong value. It does not name the group, and has
#: the repr of the place. The exceptions have no other fields.
_WRONG_VALUE = re.compile(
    r'Value for option (?P<option>\S+) from LocationInfo\(.*, '
    r"detail='(?P<place>.*)'\) is not valid: (?P<why>.*)",
    re.DOTALL,
)


def describe(exc: Exception, group: str = '') -> str:
    """Return where something is wrong, and why: ``FILE: [group]option: why``.

    :param group: of the option that the error is about, if it is known
    """
    match = _WRONG_VALUE.fullmatch(str(exc))
    if match is None:
        return str(exc)
    where = f'[{group}]{match["option"]}' if group else match['option']
    if not match['place']:
        return f'argument --{where}: {match["why"]}'
    return f'{match["place"]}: {where}: {match["why"]}'


def wrong_values(
    conf: cfg.ConfigOpts, group: str, names: Iterable[str]
) -> Iterator[str]:
    """Read options, because oslo.config checks a value only when it is read.

    :returns: what is wrong with each option that has a wrong value
    """
    for name in names:
        try:
            conf[group][name]
        except (cfg.ConfigFileValueError, cfg.ConfigSourceValueError) as exc:
            yield describe(exc, group)
        except cfg.Error as exc:  # names neither group nor option
            yield f'[{group}]{name}: {exc}'
        except RecursionError:
            yield f'[{group}]{name}: its value refers to itself'
