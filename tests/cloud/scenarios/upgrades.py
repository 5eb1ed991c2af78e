# SPDX-License-Identifier: Apache-2.0
"""Drivers and rules that change under instances that move."""

from tests.cloud import fleet as fleets
from tests.cloud.lab import expect

NEW = '570.86.10'


def rules_pushed(lab):
    """a rule file that is pushed host by host counts host by host"""
    seen = []
    with lab.instances('vm', host='gpu-1'):
        for name, left in (('gpu-2', {'gpu-3'}), ('gpu-3', set())):
            lab.hosts[name].write_rules('540')
            lab.wait_until(
                lambda left=left: lab.compatible('vm') == left,
                f'hear of the new rules of {name}',
            )
            lab.cloud.settle()
            lab.expect_refused('vm', name)
            seen.append(name)
        for name in seen:
            lab.hosts[name].write_rules()
        lab.wait_until(
            lambda: lab.compatible('vm') == {'gpu-2', 'gpu-3'},
            'hear of the old rules',
        )
    return f'{", then ".join(seen)} stopped to accept'


def rolling_upgrade(lab):
    """drivers of all hosts are upgraded while instances go on moving"""
    products = {
        'a1': '2235',
        'a2': '2235',
        'a3': '2235',
        'a4': '2235',
        'b1': '2236',
        'b2': '2236',
    }
    names = list(products)
    with (
        lab.instances(*names[:4], host='gpu-1'),
        lab.instances(*names[4:], host='gpu-4'),
    ):
        order = _order(lab)
        fleet = fleets.Fleet(lab, products)
        with fleet.moving():
            for host in order:
                _upgrade(lab, fleet, host)
        fleet.expect_products()
    expect(fleet.landings >= len(names), f'only {fleet.landings} landings')
    return (
        f'{", ".join(order)}; {fleet.landings} landings, all compatible, '
        f'{fleet.refused} found no host'
    )


def _order(lab):
    """Return the order of hosts that the plan proposes."""
    some = [host.name for host in lab.hosts.values() if host.collects]
    rows = lab.admin.rows(
        f'mdev upgrade plan --type nvidia-11 --fact driver={NEW} --rules '
        f'{lab.hosts[some[0]].home}/rules.d {" ".join(some)}'
    )
    expect({row['host'] for row in rows} == set(some), rows)
    return [row['host'] for row in rows]


def _upgrade(lab, fleet, host):
    """Do what an operator does: empty the host first."""
    lab.admin.run(f'compute service set --disable {host} nova-compute')
    fleet.drain(host)
    lab.hosts[host].driver = NEW
    lab.cloud.wait_until_published()
    lab.admin.run(f'compute service set --enable {host} nova-compute')
