# SPDX-License-Identifier: Apache-2.0
"""The parents that physical functions are, by their virtual functions. Pure.

Which functions count, and which type a parent has, follows from nova.conf.
"""

from collections.abc import Collection, Iterable, Mapping

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import text
from nova_mdev_compat.host import device_spec
from nova_mdev_compat.host import parents
from nova_mdev_compat.host import vfio


def used_functions(
    physical: vfio.PhysicalFunction, specs: Collection[device_spec.DeviceSpec]
) -> dict[vfio.VirtualFunction, device_spec.DeviceSpec]:
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


def is_for_neutron(
    physical: vfio.PhysicalFunction, specs: Collection[device_spec.DeviceSpec]
) -> bool:
    """Return whether Nova uses functions, and all of them for Neutron."""
    return not used_functions(physical, specs) and any(
        device_spec.spec_of(specs, one) for one in physical.functions
    )


def chosen_type(
    functions: Collection[vfio.VirtualFunction],
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


def build(
    found: Iterable[vfio.PhysicalFunction],
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
        if is_for_neutron(physical, specs):
            continue
        used = used_functions(physical, specs)
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


def _normalized(resource_class: str) -> str:
    """Return a class as nova.compute.pci_placement_translator makes it."""
    name = identity.canonical(resource_class)
    return 'CUSTOM_' + name.removeprefix('CUSTOM_')
