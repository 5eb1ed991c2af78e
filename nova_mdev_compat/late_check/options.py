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

from nova_mdev_compat.conf import policy


#: After so many lines that are none, a file is not read further.
MAX_FAULTS = 5


class OptionError(ValueError):
    """A value that cannot be used; the message says why."""


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
    'collector': ('devices_file', 'devices_max_age', 'sysfs_root'),
}
CHOICES: Mapping[str, tuple[str, ...]] = {
    'mode': (policy.ENFORCING, policy.PERMISSIVE, policy.OFF),
    'unknown': (policy.REJECT, policy.ALLOW),
}
#: Least and greatest value.
LIMITS: Mapping[str, tuple[int, int]] = {
    'time_limit': (1, 60),
    'devices_max_age': (1, 86400),
}


def read(paths: Iterable[pathlib.Path]) -> tuple[Options, tuple[str, ...]]:
    """Return what files say, and what is wrong with them.

    The last word on an option counts, and where that cannot be used, the
    default. What is wrong hides nothing else: [guard]mode has to be known
    whatever is the matter with other lines and files.

    :returns: options; faults, each of which names the file
    """
    found: dict[str, Any] = {}
    faults = []
    for path in paths:
        try:
            # Other bytes than UTF-8's matter in our options alone.
            lines = path.read_text('utf-8', 'surrogateescape').split('\n')
        except OSError as exc:
            faults.append(f'{path}: {exc.strerror}')
            continue
        assignments, wrong = _parse(lines)
        faults += [f'{path}: {one}' for one in wrong]
        for section, name, text in assignments:
            if name not in SECTIONS.get(section, ()):
                continue
            found.pop(name, None)
            try:
                found[name] = _value(name, text)
            except OptionError as exc:
                faults.append(f'{path}: [{section}]{name} {exc}')
    return Options(**found), tuple(faults)


def _parse(lines: list[str]) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return section, name and value of each option, and what is wrong."""
    wrong: list[str] = []
    while True:
        parser = _Parser()
        try:
            parser.parse(lines)
        except iniparser.ParseError as exc:
            wrong.append(str(exc))
            if len(wrong) < MAX_FAULTS:
                # Once more without the line. What follows something like a
                # section is in none that is known.
                broken = lines[exc.lineno - 1].startswith('[')
                lines[exc.lineno - 1] = '[?]' if broken else ''
                continue
        return parser.found, wrong


def _value(name: str, text: str) -> Any:
    if not text.isprintable():
        raise OptionError(
            f'= {text}: it has a character that cannot be printed'
        )
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
