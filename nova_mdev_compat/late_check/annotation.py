# SPDX-License-Identifier: Apache-2.0
"""The sources of a domain's mdevs in its metadata. Pure.

::

    <mdev-compat:mdevs xmlns:mdev-compat="..." host="gpu-1">
      <mdev-compat:mdev uuid="..." vendor="10de" product="2235"
                        type="NVIDIA_558">
        <mdev-compat:fact name="driver" value="535.54.03"/>
      </mdev-compat:mdev>
    </mdev-compat:mdevs>

``host`` is where the mdevs are. A device without PCI ids has no product. An
mdev with an unknown parent has only its UUID.

More attributes and elements of newer minor versions are ignored.
"""

from collections.abc import Iterable, Mapping
import dataclasses
from xml.sax import saxutils

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import traits

VERSION = '1.0'
#: Common to all versions.
FAMILY = 'http://openstack.org/xmlns/libvirt/mdev-compat/'
#: Identifies the element in a domain's metadata. Only a new major version
#: changes it: a domain with two elements could contradict itself.
NAMESPACE = FAMILY + VERSION
#: Its prefix in libvirt.
KEY = 'mdev-compat'
#: No value is longer, because it is published as a trait, too.
MAX_LENGTH = traits.MAX_LENGTH


class AnnotationError(ValueError):
    """An annotation that cannot be read; the message says why."""


@dataclasses.dataclass(frozen=True)
class AnnotatedMdev:
    """One mdev of a domain.

    :ivar uuid: on the host where it was written
    :ivar identity: of its parent, with the mdev's type; None if not known
    """

    uuid: str
    identity: identity.Identity | None


def write(mdevs: Iterable[AnnotatedMdev], host: str = '') -> str:
    """Return the metadata element for a domain's mdevs, in their order.

    :param host: libvirt's name of the host where they are
    """
    names = {f'xmlns:{KEY}': NAMESPACE, **({'host': host} if host else {})}
    lines = [f'<{KEY}:mdevs{_attributes(names)}>']
    for mdev in mdevs:
        found, facts = {'uuid': mdev.uuid}, []
        if mdev.identity is not None:
            facts = sorted(mdev.identity.facts)
            vendor, _, product = identity.display_parent(
                mdev.identity.parent
            ).partition(':')
            found['vendor'] = vendor
            if product:
                found['product'] = product
            found['type'] = identity.display_type(mdev.identity.type)
        lines.append(f'  <{KEY}:mdev{_attributes(found)}>')
        for name, value in facts:
            fact = {'name': name, 'value': identity.display(name, value)}
            lines.append(f'    <{KEY}:fact{_attributes(fact)}/>')
        lines.append(f'  </{KEY}:mdev>')
    return '\n'.join([*lines, f'</{KEY}:mdevs>'])


def _attributes(values: Mapping[str, str]) -> str:
    return ''.join(
        f' {name}={saxutils.quoteattr(value)}'
        for name, value in values.items()
    )


def read_mdev(
    attributes: Mapping[str, str], facts: Iterable[Mapping[str, str]]
) -> AnnotatedMdev:
    """Return the mdev of an element.

    :param attributes: the element's own
    :param facts: attributes of each fact element in it
    :raises AnnotationError: it is invalid
    """
    attributes = _known(attributes, ('uuid', 'vendor', 'product', 'type'))
    facts = [_known(fact, ('name', 'value')) for fact in facts]
    uuid = attributes.get('uuid', '')
    if 'vendor' not in attributes:
        return AnnotatedMdev(uuid, None)
    try:
        if 'product' in attributes:
            parent = identity.pci_parent(
                attributes['vendor'], attributes['product']
            )
        else:
            parent = identity.subsystem_parent(attributes['vendor'])
        values: dict[str, str] = {}
        for fact in facts:
            name, value = fact['name'], fact['value']
            if values.setdefault(name, value) != value:
                raise identity.IdentityError(f'fact {name} has two values')
        return AnnotatedMdev(
            uuid,
            identity.Identity.of(parent, attributes['type'], values),
        )
    except KeyError as exc:
        raise AnnotationError(f'mdev {uuid}: no {exc.args[0]}') from exc
    except identity.IdentityError as exc:
        raise AnnotationError(f'mdev {uuid}: {exc}') from exc


def _known(values: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the values of known names.

    :raises AnnotationError: one is too long
    """
    found = {name: values[name] for name in names if name in values}
    for name, value in found.items():
        if len(value) > MAX_LENGTH:
            raise AnnotationError(f'{name} has {len(value)} characters')
    return found
