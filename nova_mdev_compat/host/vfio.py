# SPDX-License-Identifier: Apache-2.0
"""Virtual functions that guests get through a VFIO variant driver.

No mdev is involved. libvirt shows such a function as any PCI device and does
not know its vGPU type, so everything is read from sysfs:

* ``physfn`` and ``virtfn<n>``, ``driver``, ``revision``: the kernel's
  Documentation/ABI/testing/sysfs-bus-pci.
* ``vfio-dev/``: a function that VFIO hands out (Documentation/driver-api/
  vfio.rst). Plain vfio-pci has it, too, and cannot migrate a device.
* ``nvidia/current_vgpu_type``: NVIDIA's vendor-specific VFIO framework (Virtual
  GPU Software User Guide): a decimal id, 0 for none. The ids are those of mdev
  types.

The parent of these functions is their physical function.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
import dataclasses
import os
import pathlib
import re

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import text
from nova_mdev_compat.host import device_spec
from nova_mdev_compat.host import parents
from nova_mdev_compat.host import sysfs

#: The driver that hands out any PCI device, and cannot migrate it.
PLAIN = 'vfio-pci'

_TYPE_ID = re.compile(r'[0-9]{1,9}')
_ID = re.compile(r'0x([0-9a-f]{2,4})')
#: How much of current_vgpu_type is compared, in bytes.
_LONGEST_TYPE = 64


@dataclasses.dataclass(frozen=True)
class VirtualFunction:
    """A virtual function.

    :ivar address: ``0000:81:00.4``
    :ivar physical: address of its physical function
    :ivar vendor: ``10de``, empty if sysfs has none
    :ivar product: ``2235``, likewise
    :ivar driver: name of the driver bound to it, empty without one
    :ivar type: ``nvidia-558``, or the name of its variant driver; empty if it
        has none
    :ivar why_no_type: why it has none, empty if it has one
    """

    address: str
    physical: str
    vendor: str
    product: str
    driver: str
    type: str
    why_no_type: str = ''


@dataclasses.dataclass(frozen=True)
class PhysicalFunction:
    """A physical function, some of whose virtual functions have a variant driver.

    :ivar address: ``0000:81:00.0``
    :ivar functions: all its virtual functions, in order of their addresses
    :ivar failure: why some of them could not be read, None if all could
    """

    address: str
    functions: tuple[VirtualFunction, ...]
    failure: sysfs.SysfsError | None = None


def find(root: str) -> tuple[PhysicalFunction, ...]:
    """Return the physical functions that are parents, in order of addresses.

    A function that vanishes meanwhile is left out.

    :param root: where sysfs is
    :raises sysfs.SysfsError: the list of PCI devices cannot be read
    """
    functions: dict[str, list[VirtualFunction]] = {}
    failures: dict[str, sysfs.SysfsError] = {}
    parents = set()
    for path in sysfs.entries(pathlib.Path(root, 'bus/pci/devices')):
        physical = ''
        try:
            physical = sysfs.read_link(path / 'physfn') or ''
            if not physical:
                continue
            function, is_variant = _read(path, physical)
        except sysfs.SysfsError as exc:
            if not physical:
                raise
            failures[physical] = exc
            continue
        if is_variant:
            parents.add(physical)
        functions.setdefault(physical, []).append(function)
    return tuple(
        PhysicalFunction(
            address,
            tuple(
                sorted(functions.get(address, ()), key=lambda one: one.address)
            ),
            failures.get(address),
        )
        for address in sorted(parents | failures.keys())
    )


def find_function(root: str, address: str) -> VirtualFunction | None:
    """Return a virtual function that has a VFIO variant driver.

    None for any other PCI device, and for one that does not exist.

    :param root: where sysfs is
    :raises sysfs.SysfsError: a file exists and cannot be read
    """
    path = pathlib.Path(root, 'bus/pci/devices', address)
    physical = sysfs.read_link(path / 'physfn')
    if not physical:
        return None
    function, is_variant = _read(path, physical)
    return function if is_variant else None


def _read(path: pathlib.Path, physical: str) -> tuple[VirtualFunction, bool]:
    """Return a virtual function, and whether its driver is a variant."""
    driver = sysfs.read_link(path / 'driver') or ''
    nvidia = sysfs.exists(path / 'nvidia')
    function = VirtualFunction(
        path.name,
        physical,
        _pci_id(path / 'vendor'),
        _pci_id(path / 'device'),
        driver,
        *_type(path, driver, nvidia),
    )
    variant = driver not in ('', PLAIN) and sysfs.exists(path / 'vfio-dev')
    return function, nvidia or variant


def parent_id(physical: PhysicalFunction) -> str:
    """Return the canonical parent id of a physical function.

    It is made of the ids that guests see, those of its virtual functions.

    :raises parents.DeviceError: they have none, or different ones
    """
    ids = {(one.vendor, one.product) for one in physical.functions}
    try:
        ((vendor, product),) = ids
        return identity.pci_parent(vendor, product)
    except (ValueError, identity.IdentityError) as exc:
        shown = text.join(f'{one}:{other}' for one, other in sorted(ids))
        raise parents.DeviceError(
            f'PCI device {physical.address}: PCI ids of its virtual '
            f'functions: {shown}; they must be one pair'
        ) from exc


def facts(tree: sysfs.Sysfs, physical: PhysicalFunction) -> dict[str, str]:
    """Return the facts of a parent of virtual functions.

    :returns: as Sysfs.facts, and framework, revision, firmware, psid; one
        without a file is left out
    :raises sysfs.SysfsError: a file exists and cannot be read
    """
    devices = tree.root / 'bus/pci/devices'
    one = physical.functions[0]
    found = tree.facts(
        parents.ParentDevice(
            name=one.address,
            path=None,
            address=one.address,
            vendor=one.vendor,
            product=one.product,
            driver=one.driver or None,
            types={},
        )
    )
    found['framework'] = 'vfio'
    revisions = {
        _pci_id(devices / one.address / 'revision')
        for one in physical.functions
    }
    if len(revisions) == 1:
        found['revision'] = revisions.pop()
    # Documentation/ABI/stable/sysfs-class-infiniband. mlx5 has the firmware of
    # the board there, and its PSID (drivers/infiniband/hw/mlx5/main.c).
    for port in sysfs.entries(devices / physical.address / 'infiniband'):
        found['firmware'] = sysfs.read_text(port / 'fw_ver') or ''
        found['psid'] = sysfs.read_text(port / 'board_id') or ''
    return {name: value for name, value in found.items() if value}


def chosen_type(
    functions: Collection[VirtualFunction],
) -> tuple[str | None, str]:
    """Return the type of functions that Nova gives to guests.

    Nova takes any of them, so they must be alike.

    :returns: the type, None if there is none that all of them have; and why
    """
    without: dict[str, list[str]] = {}
    of_type: dict[str, list[str]] = {}
    for one in functions:
        if one.type:
            of_type.setdefault(one.type, []).append(one.address)
        else:
            without.setdefault(one.why_no_type, []).append(one.address)
    if not functions:
        return None, (
            'Nova uses none of its virtual functions: no [pci]device_spec in '
            'nova.conf names one'
        )
    if without:
        why = '; '.join(
            f'{text.join(names)}: {reason}'
            for reason, names in without.items()
        )
        return None, (
            f'Nova may take a virtual function that has no type: {why}. '
            'Write the types again, or name only functions that have one in '
            '[pci]device_spec'
        )
    if len(of_type) > 1:
        why = '; '.join(
            f'{name} on {text.join(names)}'
            for name, names in sorted(of_type.items())
        )
        return None, (
            f'its virtual functions have different types: {why}. Nova takes '
            'any of them'
        )
    return next(iter(of_type)), ''


def used_functions(
    physical: PhysicalFunction, specs: Collection[device_spec.DeviceSpec]
) -> dict[VirtualFunction, device_spec.DeviceSpec]:
    """Return the functions that Nova gives to guests by a flavor's alias.

    Those with a ``physical_network`` are for Neutron's ports alone.

    :param specs: ``[pci]device_spec``
    :returns: the entry that applies, by function
    """
    return {
        one: spec
        for one in physical.functions
        if (spec := device_spec.spec_of(specs, one))
        and not spec.physical_network
    }


def build(
    found: Iterable[PhysicalFunction],
    specs: Collection[device_spec.DeviceSpec],
    parent_ids: Mapping[str, str],
    facts: Mapping[str, identity.Facts],
) -> tuple[parents.MdevParent, ...]:
    """Return the parents of virtual functions, in order of their addresses.

    Only functions that Nova gives to guests count. A parent gets no target
    type where they have not all the same one. Neither do two parents that
    nova.conf gives the same class of its own and that have different types:
    Nova would take one for the other. A parent whose functions are for
    Neutron's ports alone is left out.

    :param specs: ``[pci]device_spec``
    :param parent_ids: canonical parent ids by address
    :param facts: by address
    """
    chosen: dict[str, tuple[str | None, str]] = {}
    types_of_class: dict[str, dict[str, list[str]]] = {}
    class_of: dict[str, str] = {}
    used_types: dict[str, set[str]] = {}
    is_used: dict[str, bool] = {}
    for physical in found:
        used = used_functions(physical, specs)
        if not used and any(
            device_spec.spec_of(specs, one) for one in physical.functions
        ):
            continue
        name = physical.address
        is_used[name] = bool(used)
        chosen[name] = chosen_type(used)
        used_types[name] = {
            one.type for one in used or physical.functions if one.type
        }
        target = chosen[name][0]
        for spec in used.values():
            if spec.resource_class and target:
                class_of[name] = _normalized(spec.resource_class)
                types_of_class.setdefault(class_of[name], {}).setdefault(
                    target, []
                ).append(name)
    built = []
    for name in sorted(chosen):
        target, why = chosen[name]
        same_class = types_of_class.get(class_of.get(name, ''), {})
        if len(same_class) > 1:
            target = None
            why = (
                f'[pci]device_spec gives class {class_of[name]} to functions '
                'of different types: '
                + '; '.join(
                    f'{mdev_type} on {text.join(sorted(set(names)))}'
                    for mdev_type, names in sorted(same_class.items())
                )
            )
        built.append(
            parents.MdevParent(
                name=name,
                parent_id=parent_ids.get(name, ''),
                offered=tuple(sorted(used_types[name])),
                target_type=target,
                device_api=parents.VFIO_PCI,
                in_use=frozenset(used_types[name] - {target}),
                facts=dict(facts[name].values),
                unknown=dict(facts[name].unknown),
                why_no_type=why,
                used=is_used[name],
            )
        )
    return tuple(built)


def watched(root: str) -> Mapping[str, tuple[str, str]]:
    """Return what tells that a parent may have changed.

    This is called every few seconds, so it reads as little as possible, and
    without pathlib, which would take most of the time.

    :returns: driver and vGPU type of each virtual function, by its address; if
        one cannot be read, the error
    :raises OSError: the list of PCI devices cannot be read
    """
    devices = f'{root}/bus/pci/devices'
    try:
        names = os.listdir(devices)
    except FileNotFoundError:
        return {}
    found = {}
    for name in names:
        path = f'{devices}/{name}'
        try:
            os.readlink(f'{path}/physfn')
        except OSError:
            continue  # not a virtual function
        found[name] = (
            _look(os.readlink, f'{path}/driver'),
            _look(_first_bytes, f'{path}/nvidia/current_vgpu_type'),
        )
    return found


def _look(read: Callable[[str], str], path: str) -> str:
    try:
        return read(path)
    except OSError as exc:
        return f'{exc.strerror}'


def _first_bytes(path: str) -> str:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, _LONGEST_TYPE).decode('utf-8', 'replace')
    finally:
        os.close(file)


def _normalized(resource_class: str) -> str:
    """Return a class as nova.compute.pci_placement_translator makes it."""
    name = identity.canonical(resource_class)
    return 'CUSTOM_' + name.removeprefix('CUSTOM_')


def _type(path: pathlib.Path, driver: str, nvidia: bool) -> tuple[str, str]:
    """Return a function's type, and why it has none."""
    if nvidia:
        return _nvidia_type(path)
    if not driver:
        return '', 'no driver is bound to it'
    if driver == PLAIN:
        return '', f'driver {PLAIN} is bound to it, which cannot migrate it'
    if not sysfs.exists(path / 'vfio-dev'):
        return '', f'driver {driver} is bound to it, which guests do not get'
    return driver, ''


def _nvidia_type(path: pathlib.Path) -> tuple[str, str]:
    found = sysfs.read_text(path / 'nvidia/current_vgpu_type')
    if found is None:
        return '', 'its nvidia/current_vgpu_type is missing'
    if not _TYPE_ID.fullmatch(found):
        return '', f'its nvidia/current_vgpu_type is {found[:40]!r}'
    if int(found) == 0:
        return '', 'no vGPU type is set (current_vgpu_type is 0)'
    return f'nvidia-{int(found)}', ''


def _pci_id(path: pathlib.Path) -> str:
    found = _ID.fullmatch(sysfs.read_text(path) or '')
    return found.group(1) if found else ''
