# SPDX-License-Identifier: Apache-2.0
"""Clouds as they are read from Placement, made by the collector's code."""

import functools

from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import model
from nova_mdev_compat.host import parents as par
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import model as rules


def rules_about(*facts, **operands):
    """Return rules of 10de about facts: ``'driver', GE='535'``."""
    conditions = tuple(
        rules.Operand(
            pattern.Op[name], rules.SAME if value == 'same' else value
        )
        for name, value in operands.items()
    )
    return rules.RuleSet(
        {
            '10DE': (
                rules.Rule(
                    'r',
                    'f:1',
                    rules.Target(),
                    rules.Accepts(facts=dict.fromkeys(facts, (conditions,))),
                ),
            )
        }
    )


UP_TO_OURS = rules_about('driver', LE='same')
SAME_ONLY = rules_about('driver', EQ='same')


def parent(
    host,
    slot=0,
    driver='550.54',
    product='2235',
    mdev_type='nvidia-558',
    by=UP_TO_OURS,
    in_use=(),
    **facts,
):
    """Return a parent as its collector publishes it.

    :param facts: with framework='vfio', a physical function
    """
    vfio = facts.get('framework') == 'vfio'
    name = f'0000:8{slot}:00.0' if vfio else f'pci_{slot}'
    described = host_traits.describe(
        par.MdevParent(
            name,
            f'10DE_{product}',
            (mdev_type,) if mdev_type else (),
            mdev_type,
            par.VFIO_PCI,
            frozenset(in_use),
            {'driver': driver, **facts},
        ),
        by,
    )
    return model.Parent(f'{host}-{slot}', name, _said(described.all_traits))


def silent_parent(host, slot=0):
    """Return a parent without traits of ours."""
    return model.Parent(f'{host}-{slot}', f'pci_{slot}', _said(frozenset()))


def ghost(host, slot=0):
    """Return a parent that is gone, with an orphaned provider."""
    return model.Parent(
        f'{host}-{slot}', f'pci_{slot}', _said(frozenset({traits.SCHEMA}))
    )


@functools.cache
def _said(names):
    """Return the content of traits; equal traits give one object."""
    return traits.describe(names)


def host(name, *parents, **changes):
    return model.Host(
        f'uuid-{name}',
        name,
        **{'published': True, 'parents': parents, **changes},
    )
