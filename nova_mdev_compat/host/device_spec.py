# SPDX-License-Identifier: Apache-2.0
"""Which PCI functions Nova gives to guests, by nova.conf.

As in nova.pci.whitelist and nova.pci.devspec, the first entry of
``[pci]device_spec`` that matches a function applies to it.

nova-compute also checks entries against the host's devices, such as that the
functions of one provider have the same class. Such checks are left to it. This
host's release of Nova is not known here, so the newest one's checks apply.
"""

from collections.abc import Iterable
import dataclasses
import json
import re
import string
from typing import Any, Protocol

from oslo_config import cfg

from nova_mdev_compat.core import exceptions

_ANY = '*'
#: The fields of an address, and the greatest value of each.
_FIELDS = {'domain': 0xFFFF, 'bus': 0xFF, 'slot': 0x1F, 'function': 0x7}
#: Nova skips a device whose domain has more digits.
_ADDRESS = re.compile(r'([\da-f]{4}):([\da-f]{2}):([\da-f]{2})\.([0-7])')
#: The words of oslo_utils.strutils.bool_from_string.
_TRUTH = {
    **dict.fromkeys(('1', 't', 'true', 'on', 'y', 'yes'), True),
    **dict.fromkeys(('0', 'f', 'false', 'off', 'n', 'no'), False),
}


class DeviceSpecError(exceptions.BadInput):
    """A value in nova.conf with which nova-compute does not start."""


class Function(Protocol):
    """What of a PCI function an entry is compared with.

    :ivar address: such as ``0000:81:00.4``, in lower case
    :ivar vendor: four hexadecimal digits in lower case, as product
    :ivar physical: address of the physical function, empty if this is one
    """

    @property
    def address(self) -> str: ...
    @property
    def vendor(self) -> str: ...
    @property
    def product(self) -> str: ...
    @property
    def physical(self) -> str: ...


@dataclasses.dataclass(frozen=True)
class DeviceSpec:
    """One entry of ``[pci]device_spec``.

    An entry with ``devname`` or ``remote_managed`` matches nothing. Both are
    for Neutron's devices: Nova cannot report the former in Placement, and does
    not use the latter for a flavor's request.

    :ivar vendor: four hexadecimal digits in lower case, None for any
    :ivar product: likewise
    :ivar address: patterns of domain, bus, slot and function, which match at
        the beginning; None matches no address
    :ivar physical: the address if it is a single one; the virtual functions
        of that physical function match, too
    :ivar live_migratable: None if it is not set, which Nova takes for "no"
    :ivar managed: None if it is not set, which Nova takes for "yes"
    :ivar resource_class: as written
    :ivar traits: names as written
    :ivar physical_network: Neutron's network; Nova does not report the
        functions of such an entry in Placement
    :ivar text: the value as written, which can have further entries
    """

    vendor: str | None
    product: str | None
    address: tuple[re.Pattern[str], ...] | None
    physical: str | None
    live_migratable: bool | None
    managed: bool | None
    resource_class: str | None
    traits: frozenset[str]
    physical_network: str | None
    text: str

    def matches(self, function: Function) -> bool:
        fields = _ADDRESS.fullmatch(function.address)
        if (
            fields is None
            or self.address is None
            or self.vendor not in (None, function.vendor)
            or self.product not in (None, function.product)
        ):
            return False
        if function.physical and function.physical == self.physical:
            return True
        return all(map(re.Pattern.match, self.address, fields.groups()))


def device_specs(conf: cfg.ConfigOpts) -> tuple[DeviceSpec, ...]:
    """Return the entries of ``[pci]device_spec`` in nova.conf's order.

    :raises DeviceSpecError: the message names the entry
    """
    try:
        texts, reported = conf.pci.device_spec, conf.pci.report_in_placement
    except (cfg.Error, ValueError) as exc:
        raise DeviceSpecError(
            f'nova.conf: [pci]device_spec or report_in_placement: {exc!s:.300}'
        ) from exc
    specs: list[DeviceSpec] = []
    for text in texts:
        try:
            content = json.loads(text)
            entries = content if isinstance(content, list) else [content]
            specs += (_device_spec(item, text, reported) for item in entries)
        except (ValueError, RecursionError) as exc:
            raise DeviceSpecError(
                f'nova.conf: [pci]device_spec: {exc!s:.300}; nova-compute '
                f'does not start with {text:.300}'
            ) from exc
    return tuple(specs)


def spec_of(
    specs: Iterable[DeviceSpec], function: Function
) -> DeviceSpec | None:
    """Return the entry that applies to a function, as Whitelist.get_devspec."""
    return next((spec for spec in specs if spec.matches(function)), None)


def _device_spec(entry: Any, text: str, reported: bool) -> DeviceSpec:
    """Check an entry, and return it.

    :param reported: ``[pci]report_in_placement``
    :raises ValueError: the message names the key
    """
    if not isinstance(entry, dict):
        raise ValueError(f'{entry!r} is not a JSON object')
    vendor, devname = entry.get('vendor_id', _ANY), entry.get('devname')
    if isinstance(vendor, str):
        vendor = vendor.strip()
    if devname and entry.get('address'):
        raise ValueError('devname and address exclude each other')
    if devname and reported:
        raise ValueError('devname excludes [pci]report_in_placement')
    if _flag(entry, 'one_time_use') and not reported:
        raise ValueError('one_time_use requires [pci]report_in_placement')
    address, physical = _address(entry.get('address') or '')
    remote = _flag(entry, 'remote_managed', strict=False)
    class_, traits = entry.get('resource_class'), entry.get('traits')
    network = entry.get('physical_network')
    return DeviceSpec(
        _hex('vendor_id', vendor, 0xFFFF),
        _hex('product_id', entry.get('product_id', _ANY), 0xFFFF),
        None if devname or remote else address,
        physical,
        _flag(entry, 'live_migratable'),
        _flag(entry, 'managed'),
        # Nova reports nothing if these two are not strings.
        class_ if isinstance(class_, str) else None,
        frozenset(
            traits.split(',') if traits and isinstance(traits, str) else ()
        ),
        str(network) if network else None,
        text,
    )


def _hex(name: str, value: Any, limit: int) -> str | None:
    """Return a number as Nova writes it, None for any."""
    if value == _ANY:
        return None
    try:
        number = int(value, 16)
    except (TypeError, ValueError):
        raise ValueError(f'{name} {value!r} is not hexadecimal') from None
    if number > limit:
        raise ValueError(f'{name} {value!r} is greater than {limit:X}')
    return f'{number:0{len(f"{limit:x}")}x}'


def _flag(entry: Any, name: str, strict: bool = True) -> bool | None:
    value = entry.get(name)
    word = str(value).strip().lower()
    if strict and value is not None and word not in _TRUTH:
        raise ValueError(f'{name} {value!r} is neither yes nor no')
    return _TRUTH.get(word)


def _address(address: Any) -> tuple[tuple[re.Pattern[str], ...], str | None]:
    """Return what a glob or an object of patterns matches, as DeviceSpec."""
    if isinstance(address, str):
        start, _, function = address.partition('.')
        written = [field.strip() or _ANY for field in start.split(':')]
        if len(written) > 3:
            raise ValueError(f'address {address!r} has too many fields')
        written[:0] = [_ANY] * (3 - len(written))
        written.append(function.strip() if function else _ANY)
        fields = [
            _hex(f'address {address!r}: {name}', field, _FIELDS[name]) or _ANY
            for name, field in zip(_FIELDS, written, strict=True)
        ]
        patterns = [rf'{field}\Z' if field != _ANY else '' for field in fields]
    elif isinstance(address, dict):
        fields = patterns = [address.get(name, '.*') for name in _FIELDS]
    else:
        raise ValueError(f'address {address!r} is neither text nor an object')
    try:
        address = tuple(map(re.compile, patterns))
    except (re.error, TypeError, OverflowError) as exc:
        raise ValueError(f'address {address!r}: {exc}') from exc
    single = set(''.join(fields)) <= set(string.hexdigits)
    return address, '{}:{}:{}.{}'.format(*fields) if single else None
