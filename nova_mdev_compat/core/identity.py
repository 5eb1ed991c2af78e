# SPDX-License-Identifier: Apache-2.0
"""The identity of a parent: parent id, type and facts.

Values are in canonical form, which is all that a trait name can carry: upper
case letters, digits and single underscores.
"""

from collections.abc import Mapping
import dataclasses
import functools
import re

from nova_mdev_compat.core import versions

#: Facts that the collector itself reads for the devices of every vendor.
FACTS: Mapping[str, str] = {
    'driver': 'version of the kernel module of the driver that is bound',
    'firmware': 'firmware version of a board with virtual functions',
    'framework': 'what guests get from the device: mdev or vfio',
    'intree': "whether that module is of the kernel's own tree: yes or no",
    'kernel': 'kernel release of the host',
    'module': 'name of the driver that is bound',
    'os': 'id and version of the operating system of the host',
    'psid': 'parameter-set id of a network adapter of NVIDIA (Mellanox)',
    'revision': 'PCI revision of a virtual function',
    'subsystem': 'PCI subsystem vendor and device id of the board',
}
#: The raw values of the facts that have a fixed set of values.
FACT_VALUES: Mapping[str, frozenset[str]] = {
    'framework': frozenset({'mdev', 'vfio'}),
    'intree': frozenset({'yes', 'no'}),
}
#: Fact of a parent that is not one of mdevs.
FRAMEWORK = 'framework'
#: Its canonical values. A device without the fact is a parent of mdevs.
MDEV, VFIO = 'MDEV', 'VFIO'

_FACT_NAME = re.compile(r'[a-z][a-z0-9]*')
_PCI_ID = re.compile(r'[0-9A-F]{4}')
_PCI_PARENT = re.compile(r'[0-9A-F]{4}_[0-9A-F]{4}')
_PCI_DISPLAY = re.compile(r'[0-9A-F]{4}_([0-9A-F]{4}|ANY)')
_OS = re.compile(r'([A-Z][A-Z0-9_]*?)_([0-9].*)')
_TYPE = re.compile(r'((?:VFIO_)?[A-Z0-9]+)_(.+)')
_NOT_CANONICAL = re.compile(r'[^A-Z0-9]+')
_CANONICAL = re.compile(r'[A-Z0-9]+(_[A-Z0-9]+)*')

# Punctuation in rules. A sign that is not listed may have a meaning. A user
# can write _ for any sign that has none.
_SIGNS = re.compile('[^0-9A-Za-z]+')
#: Signs without a meaning between letters and digits, and at either end.
_BETWEEN, _AT_ENDS = frozenset(' ._-:/+~()'), frozenset(' _()')
#: Separators of a version's parts: exactly one in between, none at an end.
_IN_VERSIONS = frozenset('._-:+~')
#: Separators between the two ends of a range of versions.
_TO = re.compile(r'\s+to\s+|\s*(?:\.{2,}|[-~:\u2010-\u2015])\s*')
_VERSION = re.compile('[0-9][0-9A-Za-z]*(?:[._:+~-][0-9A-Za-z]+)*')
_PART = re.compile('[0-9]+|[A-Z]+')


class IdentityError(ValueError):
    """A trait cannot carry a name or value; the message names it."""


class SignError(IdentityError):
    """A text has a sign that changes its meaning."""


def canonical(text: str) -> str:
    """Return a text in canonical form.

    ``nvidia-558`` becomes ``NVIDIA_558``, ``535.54.03`` ``535_54_03``.

    :raises IdentityError: the text has no letter and no digit
    """
    result = _NOT_CANONICAL.sub('_', text.upper()).strip('_')
    if not result:
        raise IdentityError(
            f'{text!r} has no letter or digit that a trait could carry'
        )
    return result


def is_canonical(text: str) -> bool:
    """Tell whether a text is in canonical form: ``NVIDIA_558``."""
    return _CANONICAL.fullmatch(text) is not None


def literal(text: str, fact: str = '') -> str:
    """Return a value from a rule in canonical form.

    canonical() accepts any value that a device reports. This function refuses
    a text whose meaning depends on its signs: ``!=550``, ``550.*``,
    ``nvidia-*``. It accepts letters, digits and the signs that separate
    words. A version has one of ``. _ - : + ~`` between its parts. A range of
    versions is refused.

    :param fact: the fact that has the value, empty if no fact has it
    :raises SignError: the text has such a sign
    :raises IdentityError: the text has no letter and no digit
    """
    value = canonical(text)
    version = is_version_fact(fact)
    if version and version_range(text, fact):
        raise SignError(f'{text!r} reads as a range of versions')
    lost = _lost(text.strip(), version)
    if lost:
        raise SignError(
            f'{text!r}: a trait cannot carry {lost!r}, so that '
            'it would be lost'
        )
    return value


def _lost(text: str, version: bool) -> str:
    """Return the first signs of a text that may have a meaning, if any."""
    if not version:
        # Letters of other alphabets are letters, too. A trait has _ for them.
        text = ''.join('x' if sign.isalpha() else sign for sign in text)
    for found in _SIGNS.finditer(text):
        signs = found.group()
        inside = found.start() > 0 and found.end() < len(text)
        if version:
            harmless = inside and signs in _IN_VERSIONS
        else:
            harmless = (_BETWEEN if inside else _AT_ENDS).issuperset(signs)
        if not harmless:
            return signs
    return ''


def version_range(text: str, fact: str) -> tuple[str, str] | None:
    """Return the ends of a range such as ``550-570``; None for other texts.

    Two joined versions are a range if the second one is newer, less than ten
    times as large, and has the same structure as the first one. In a kernel
    release (``5.14.0-362``), the number after the dash comes from the
    distribution, and a colon follows an epoch. Such parts differ in
    structure. Other facts do not have such parts, so all versions that have
    only numbers have the same structure there.

    :param fact: the fact that has the value
    """
    for joint in _TO.finditer(text):
        low, high = text[: joint.start()], text[joint.end() :]
        if not (_VERSION.fullmatch(low) and _VERSION.fullmatch(high)):
            continue
        built = [
            [part.isdigit() for part in _PART.findall(end.upper())]
            for end in (low, high)
        ]
        alike = built[0] == built[1] or (
            fact != 'kernel' and joint.group() != ':' and all(map(all, built))
        )
        first, second = (int(_PART.findall(end)[0]) for end in (low, high))
        if (
            alike
            and second < 10 * first
            and versions.key(canonical(low)) < versions.key(canonical(high))
        ):
            return low, high
    return None


def fact_name(text: str) -> str:
    """Return a text that is a fact name: lower case letters and digits.

    :raises IdentityError: it is not a fact name
    """
    if not _FACT_NAME.fullmatch(text):
        raise IdentityError(
            f'{text!r} is not a fact name: lower case letters and digits, '
            'a letter first'
        )
    return text


def is_version_fact(name: str) -> bool:
    """Tell whether the values of a fact are compared as versions.

    They are for ``driver``, ``firmware``, ``kernel`` and names that end in
    ``version``. All other values are tokens. The name decides, because the
    scheduler has no vendor plugins and has to compare as the host does.
    """
    return name in ('driver', 'firmware', 'kernel') or name.endswith('version')


def pci_parent(vendor: str, product: str) -> str:
    """Return the parent id of a PCI device, ``10DE_2235``.

    :param vendor: four hexadecimal digits, with or without ``0x``
    :param product: likewise
    :raises IdentityError: one of them has another form
    """
    ids = [
        text.lower().removeprefix('0x').upper() for text in (vendor, product)
    ]
    for text in ids:
        if not _PCI_ID.fullmatch(text):
            raise IdentityError(f'{text!r} is not a PCI id of four digits')
    return '_'.join(ids)


def subsystem_parent(subsystem: str) -> str:
    """Return the parent id of a device without PCI ids, ``MTTY``.

    :raises IdentityError: the name reads as PCI ids or as a wildcard
    """
    parent = canonical(subsystem)
    if _PCI_PARENT.fullmatch(parent) or parent.split('_')[-1] == 'ANY':
        raise IdentityError(
            f'subsystem {subsystem!r} cannot be told from a PCI id or from '
            'the word ANY in a trait'
        )
    return parent


def vendor(text: str) -> str:
    """Return the canonical vendor for ``10de`` or ``mtty``.

    :raises IdentityError: no device has such a vendor
    """
    literal(text)
    # The reserved words are those of a parent without PCI ids.
    name = subsystem_parent(text)
    if name.startswith('0X'):
        raise IdentityError(f'{text!r} is not a PCI id without its 0x')
    return name


def vendor_of(parent: str) -> str:
    """Return the canonical vendor of a parent id: ``10DE``, ``MTTY``."""
    if _PCI_PARENT.fullmatch(parent):
        return parent.partition('_')[0]
    return parent


@dataclasses.dataclass(frozen=True)
class Identity:
    """A parent together with one mdev type.

    :ivar parent: parent id: ``10DE_2235``, or a subsystem, ``MTTY``
    :ivar type: mdev type, ``NVIDIA_558``
    :ivar facts: pairs of fact name and canonical value
    """

    parent: str
    type: str
    facts: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(
        cls,
        parent: str,
        mdev_type: str,
        facts: Mapping[str, str] | None = None,
    ) -> 'Identity':
        """Return an identity from a parent id, a raw type and raw facts.

        :raises IdentityError: a trait cannot carry a name or value
        """
        return cls(parent, canonical(mdev_type), canonical_facts(facts or {}))

    def fact(self, name: str) -> str | None:
        """Return the canonical value of a fact, None if it is missing."""
        default = MDEV if name == FRAMEWORK else None
        return dict(self.facts).get(name, default)

    @functools.cached_property
    def framework(self) -> str:
        """What guests get from it: MDEV or VFIO."""
        return self.fact(FRAMEWORK) or MDEV

    @functools.cached_property
    def served(self) -> str:
        """What a target must serve: its type, in its framework."""
        if self.framework == MDEV:
            return self.type
        return f'{self.type}/{self.framework}'

    def __str__(self) -> str:
        facts = [
            f'{name}={display(name, value)}'
            for name, value in sorted(self.facts)
        ]
        return ' '.join(
            [display_parent(self.parent), display_type(self.type), *facts]
        )


def canonical_facts(facts: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return facts in canonical form.

    :raises IdentityError: a trait cannot carry a name or value
    """
    pairs = set()
    for name, value in facts.items():
        try:
            pairs.add((fact_name(name), canonical(value)))
        except IdentityError as exc:
            raise IdentityError(f'fact {name}: {exc}') from exc
    return frozenset(pairs)


@dataclasses.dataclass(frozen=True)
class Facts:
    """The facts of one device.

    :ivar values: raw values by fact name
    :ivar unknown: by fact name, why a fact could not be read and what an
        operator can do, as a clause
    :raises TypeError: one of them is not a mapping of texts to texts
    """

    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unknown: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ('values', 'unknown'):
            texts = getattr(self, name)
            if not isinstance(texts, Mapping) or not all(
                isinstance(text, str)
                for item in texts.items()
                for text in item
            ):
                raise TypeError(
                    f'{texts!r} is not a mapping of texts to texts'
                )
            # A plugin may change its own mapping later.
            object.__setattr__(self, name, dict(texts))


# A trait has upper case letters and one sign only. The sign that the vendor
# uses depends on the value.


def display(name: str, value: str) -> str:
    """Return a canonical fact value as its source writes it, in lower case.

    ``550_90_05`` becomes ``550.90.05``, ``RHEL_9_6`` becomes ``rhel-9.6``
    (os-release(5): an ID, then VERSION_ID), ``10DE_1482`` ``10de:1482``.

    :param name: the fact
    """
    if is_version_fact(name):
        return value.replace('_', '.').lower()
    if name == 'os' and (parts := _OS.fullmatch(value)):
        system, version = parts.groups()
        value = f'{system.replace("_", "-")}-{version.replace("_", ".")}'
    elif name == 'subsystem':
        return display_parent(value)
    return value.lower()


def display_type(mdev_type: str) -> str:
    """Return a canonical mdev type as nova.conf has it: ``nvidia-558``.

    The kernel builds the name as ``<driver>-<type>``
    (Documentation/driver-api/vfio-mediated-device.rst). Of its drivers, only
    vfio_ap and vfio_ccw have a sign in their names.
    """
    parts = _TYPE.fullmatch(mdev_type)
    return '-'.join(parts.groups() if parts else [mdev_type]).lower()


def display_parent(parent: str) -> str:
    """Return a canonical parent id as it is shown: ``10de:2235``."""
    separator = ':' if _PCI_DISPLAY.fullmatch(parent) else '_'
    return parent.replace('_', separator).lower()
