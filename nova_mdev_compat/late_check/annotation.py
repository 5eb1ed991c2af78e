# SPDX-License-Identifier: Apache-2.0
"""What a domain's metadata says of its mdevs: written and compared. Pure.

::

    <mdev-compat:mdevs xmlns:mdev-compat="..." host="gpu-1">
      <mdev-compat:mdev uuid="..." vendor="10de" product="2235"
                        type="NVIDIA_558">
        <mdev-compat:fact name="driver" value="535.54.03"/>
      </mdev-compat:mdev>
    </mdev-compat:mdevs>

The host is the one where that is so. A device without PCI ids has no product.
An mdev whose parent nobody knows has its UUID alone.

What a newer minor version has besides, attributes and elements, is ignored.
"""

from collections.abc import Iterable, Mapping
import dataclasses
from xml.sax import saxutils

from nova_mdev_compat.core import identity as ident
from nova_mdev_compat.core import traits

VERSION = '1.0'
#: Of all versions.
FAMILY = 'http://openstack.org/xmlns/libvirt/mdev-compat/'
#: Names the element in a domain's metadata. Only another major version is
#: another name: a domain with two elements would have two truths.
NAMESPACE = FAMILY + VERSION
#: libvirt's prefix for it.
KEY = 'mdev-compat'
#: No value is longer, since it is published as a trait.
MAX_LENGTH = traits.MAX_LENGTH


class AnnotationError(ValueError):
    """An annotation that cannot be read; the message says what is wrong."""


@dataclasses.dataclass(frozen=True)
class Mdev:
    """One mdev of a domain.

    :ivar uuid: on the host where it was written down
    :ivar identity: of its parent, in its role as the home of the mdev's
        type; None where it is not known
    """

    uuid: str
    identity: ident.Identity | None


def write(mdevs: Iterable[Mdev], host: str = '') -> str:
    """Return the element for a domain's mdevs, in their order.

    :param host: libvirt's name of the host where they are
    """
    names = {f'xmlns:{KEY}': NAMESPACE, **({'host': host} if host else {})}
    lines = [f'<{KEY}:mdevs{_attributes(names)}>']
    for mdev in mdevs:
        lines += [f'  <{KEY}:mdev{_attributes(_names(mdev))}>']
        lines += [
            f'    <{KEY}:fact{_attributes(fact)}/>' for fact in _facts(mdev)
        ]
        lines += [f'  </{KEY}:mdev>']
    return '\n'.join([*lines, f'</{KEY}:mdevs>'])


def _attributes(values: Mapping[str, str]) -> str:
    return ''.join(
        f' {name}={saxutils.quoteattr(value)}'
        for name, value in values.items()
    )


def _names(mdev: Mdev) -> dict[str, str]:
    found = {'uuid': mdev.uuid}
    if mdev.identity is not None:
        vendor, _, product = ident.display_parent(
            mdev.identity.parent
        ).partition(':')
        found['vendor'] = vendor
        if product:
            found['product'] = product
        found['type'] = ident.display_type(mdev.identity.type)
    return found


def _facts(mdev: Mdev) -> list[dict[str, str]]:
    facts = () if mdev.identity is None else mdev.identity.facts
    return [
        {'name': name, 'value': ident.display(name, value)}
        for name, value in sorted(facts)
    ]


def read_mdev(
    attributes: Mapping[str, str], facts: Iterable[Mapping[str, str]]
) -> Mdev:
    """Return what an mdev element stands for.

    :param attributes: the element's own
    :param facts: attributes of each fact element in it
    :raises AnnotationError: it makes no sense
    """
    attributes = _known(attributes, ('uuid', 'vendor', 'product', 'type'))
    facts = [_known(fact, ('name', 'value')) for fact in facts]
    uuid = attributes.get('uuid', '')
    if 'vendor' not in attributes:
        return Mdev(uuid, None)
    try:
        return Mdev(
            uuid,
            ident.Identity.of(
                _parent(attributes), attributes['type'], _pairs(facts)
            ),
        )
    except KeyError as exc:
        raise AnnotationError(f'mdev {uuid}: no {exc.args[0]}') from exc
    except ident.IdentityError as exc:
        raise AnnotationError(f'mdev {uuid}: {exc}') from exc


def _known(values: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    found = {name: values[name] for name in names if name in values}
    for name, value in found.items():
        if len(value) > MAX_LENGTH:
            raise AnnotationError(f'{name} has {len(value)} characters')
    return found


def _parent(attributes: Mapping[str, str]) -> str:
    vendor = attributes['vendor']
    if 'product' in attributes:
        return ident.pci_parent(vendor, attributes['product'])
    return ident.subsystem_parent(vendor)


def _pairs(facts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return facts by name.

    :raises ident.IdentityError: one has two values: which is true?
    """
    found: dict[str, str] = {}
    for fact in facts:
        if found.setdefault(fact['name'], fact['value']) != fact['value']:
            raise ident.IdentityError(f'fact {fact["name"]} has two values')
    return found
