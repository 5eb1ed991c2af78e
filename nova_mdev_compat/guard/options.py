# SPDX-License-Identifier: Apache-2.0
"""The guard's options, without most of oslo.config.

libvirt waits, and importing ``oslo_config.cfg`` takes half of the time that a
hook may take. So the files are read with oslo.config's parser alone; the
options are declared to it in ``conf/guard.py`` and ``conf/collector.py``, for
the sample configuration, with what stands here.
"""

from collections.abc import Iterable, Mapping
import dataclasses
import pathlib
from typing import Any

from oslo_config import iniparser

from nova_mdev_compat import policy


class OptionError(ValueError):
    """A file or a value that cannot be used; the message names both."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What is in force; the values here are the defaults.

    ``devices_max_age`` and ``time_limit`` are in seconds.
    """

    mode: str = policy.ENFORCING
    unknown: str = policy.REJECT
    time_limit: int = 10
    devices_file: str = '/var/lib/nova-mdev-compat/devices.json'
    devices_max_age: int = 600
    sysfs_root: str = '/sys'


#: Options by section; those of the collector are its own as well.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    'guard': ('mode', 'unknown', 'time_limit'),
    'collector': ('devices_file', 'devices_max_age', 'sysfs_root')}
CHOICES: Mapping[str, tuple[str, ...]] = {
    'mode': (policy.ENFORCING, policy.PERMISSIVE, policy.OFF),
    'unknown': (policy.REJECT, policy.ALLOW)}
#: Least and greatest value.
LIMITS: Mapping[str, tuple[int, int]] = {
    'time_limit': (1, 60), 'devices_max_age': (1, 86400)}


def read(paths: Iterable[pathlib.Path]) -> Options:
    """Return what files say; the last word on an option counts.

    :raises OptionError: a file cannot be read, or a value not be used
    """
    found: dict[str, Any] = {}
    for path in paths:
        parser = _Parser()
        try:
            with path.open(encoding='utf-8') as file:
                parser.parse(file)
        except OSError as exc:
            raise OptionError(f'{path}: {exc.strerror}') from exc
        except (iniparser.ParseError, UnicodeError) as exc:
            raise OptionError(f'{path}: {exc}') from exc
        for section, name, text in parser.found:
            if name in SECTIONS.get(section, ()):
                try:
                    found[name] = _value(name, text)
                except OptionError as exc:
                    raise OptionError(
                        f'{path}: [{section}]{name} {exc}') from exc
    return Options(**found)


def _value(name: str, text: str) -> Any:
    if '$' in text:
        # The collector would put another option's value in its place.
        raise OptionError(f'= {text}: no $ can be used here')
    if name in CHOICES and text not in CHOICES[name]:
        raise OptionError(f'= {text} is none of {", ".join(CHOICES[name])}')
    if name not in LIMITS:
        return text
    least, greatest = LIMITS[name]
    if not text.isdecimal() or not least <= int(text[:9]) <= greatest:
        raise OptionError(f'= {text} is no number of {least} to {greatest}')
    return int(text)


class _Parser(iniparser.BaseParser):
    """Keeps section, name and value of each option."""

    def __init__(self) -> None:
        self._section = ''
        self.found: list[tuple[str, str, str]] = []

    def new_section(self, section: str) -> None:
        self._section = section

    def assignment(self, key: str, value: list[str]) -> None:
        self.found.append((self._section, key, '\n'.join(value)))
