# SPDX-License-Identifier: Apache-2.0
"""openstack mdev upgrade plan."""

import itertools
import json
import pathlib
import uuid

import fixtures
import yaml

from nova_mdev_compat.host import parents
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import loader
from tests.functional import osc_base
from tests.functional import osc_services
from tests.unit import samples

FACTS = {
    'ecc': 'on',
    'mig': 'disabled',
    'os': 'rhel-9.6',
    'subsystem': '10de:1482',
}
HEAD = 'schema_version: "1.0"\nvendor: "10de"\nrules:\n'
UP_TO_OURS = (
    HEAD
    + """\
  - name: an older driver
    accepts:
      facts: {driver: {at_most: same}}
"""
)
#: Each release takes the one before it, and its own.
ONE_BACK = (
    HEAD
    + """\
  - name: up to 535
    target:
      facts: {driver: {below: "550"}}
    accepts:
      facts: {driver: same}
  - name: up to 550
    target:
      facts: {driver: {at_least: "550", below: "560"}}
    accepts:
      facts: {driver: {at_least: "535", at_most: same}}
  - name: up to 560
    target:
      facts: {driver: {at_least: "560"}}
    accepts:
      facts: {driver: {at_least: "550", at_most: same}}
"""
)
#: Only the same driver.
SAME = """\
  - name: the same driver
    accepts:
      facts: {driver: same}
"""
SHIPPED = str(samples.SHIPPED_RULES)
PLAN = 'mdev upgrade plan --type nvidia-558'
TO_560 = f'{PLAN} --fact driver=560.28.03'


class UpgradeTestCase(osc_base.OperatorTestCase):
    """Hosts as their collectors would publish them."""

    def setUp(self):
        super().setUp()
        self.nova = osc_services.Compute()
        server = self.useFixture(osc_services.HTTPServer(self.nova))
        self.keystone.services['compute'] = {
            osc_services.REGION: f'{server.url}/v2.1'
        }
        # Where an installation has them.
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_mdev_compat.conf.collector.SHIPPED_RULES', [SHIPPED]
            )
        )
        self.rules_dir = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.write_rules(UP_TO_OURS)

    def write_rules(self, text):
        """Be all hosts' rules, and those of the option RULES."""
        (self.rules_dir / 'nvidia.yaml').write_text(text)
        self.rules = loader.load([SHIPPED, self.rules_dir])

    def plan(self, line=TO_560, *more, rules=True, **kwargs):
        if rules:
            more = ('--rules', str(self.rules_dir), *more)
        return self.openstack(line, *more, **kwargs)

    def rows(self, line=TO_560, **kwargs):
        return json.loads(self.plan(f'{line} -f json', **kwargs).stdout)

    def host(self, name, *boards, vgpus=16):
        """Make a host; return the UUIDs of its boards.

        :param boards: drivers, or tuples of driver and mdev type
        """
        boards = [
            board if isinstance(board, tuple) else (board, 'nvidia-558')
            for board in boards
        ]
        described = [
            host_traits.describe(
                parents.MdevParent(
                    f'pci_0000_8{slot}_00_0',
                    '10DE_2235',
                    (mdev_type,),
                    mdev_type,
                    parents.VFIO_PCI,
                    frozenset(),
                    {**FACTS, 'driver': driver},
                ),
                self.rules,
            )
            for slot, (driver, mdev_type) in enumerate(boards)
        ]
        said = host_traits.build_host_traits(described)
        root = self.provider(name, said.root)
        return [
            self.provider(f'{name}_{device}', names, root, vgpus)
            for device, names in said.parents.items()
        ]

    def provider(self, name, names, parent=None, vgpus=0):
        found = self.placement.create_provider(name, parent)
        for trait in sorted(names):
            self.placement.ask('PUT', f'/traits/{trait}')
        path = f'/resource_providers/{found}'
        body = self.placement.ask('GET', f'{path}/traits')
        body = self.placement.ask(
            'PUT', f'{path}/traits', {**body, 'traits': sorted(names)}
        )
        if vgpus:
            self.placement.ask(
                'PUT',
                f'{path}/inventories',
                {
                    'resource_provider_generation': body[
                        'resource_provider_generation'
                    ],
                    'inventories': {
                        'VGPU': {'total': vgpus, 'max_unit': vgpus}
                    },
                },
            )
        return found

    def boot(self, number, *boards, amount=1):
        """Make instances that have mdevs of boards; return their UUIDs."""
        found = [str(uuid.uuid4()) for _ in range(number)]
        for one in found:
            self.placement.ask(
                'PUT',
                f'/allocations/{one}',
                {
                    'allocations': {
                        board: {'resources': {'VGPU': amount}}
                        for board in boards
                    },
                    'project_id': 'p',
                    'user_id': 'u',
                    'consumer_type': 'INSTANCE',
                    'consumer_generation': None,
                },
            )
        return found

    def assert_no_allocations_read(self):
        """Nobody has asked who has mdevs of a device."""
        self.assertEqual(
            [],
            [
                path
                for _, path in self.placement.requests
                if path.endswith('/allocations')
            ],
        )

    def assert_all_golden(self, name, *more, status=0, **kwargs):
        """Compare table, JSON and what is said beside them."""
        done = self.plan(TO_560, *more, status=status, **kwargs)
        self.assert_golden(f'upgrade-{name}.txt', done.stdout)
        self.assert_golden(f'upgrade-{name}.stderr.txt', done.stderr)
        as_json = self.plan(
            TO_560, '-f', 'json', *more, status=status, **kwargs
        )
        self.assert_golden(f'upgrade-{name}.json', as_json.stdout)


class PlanTest(UpgradeTestCase):
    def test_an_order(self):
        """The new driver takes those of the old one."""
        (one,) = self.host('gpu-1', '550.54.14')
        (two,) = self.host('gpu-2', '550.54.14')
        self.host('gpu-3', '550.54.14')
        self.boot(2, one)
        self.boot(1, two, amount=2)
        self.assert_all_golden('order')

    def test_no_order(self):
        """As the shipped rules have it, no driver takes those of another."""
        self.rules = loader.load([SHIPPED])
        (one,) = self.host('gpu-1', '550.54.14')
        self.host('gpu-2', '550.54.14')
        self.host('gpu-3', '550.54.14')
        self.boot(2, one)
        self.assert_all_golden('none', rules=False, status=1)

    def test_only_one_order(self):
        """The empty one must not go first: nobody else takes a 535."""
        self.write_rules(ONE_BACK)
        self.host('gpu-1', '550.54.14')
        (two,) = self.host('gpu-2', '535.54.03')
        self.boot(3, two)
        self.assert_all_golden('one')

    def test_stranded_at_first(self):
        (one,) = self.host('gpu-1', '565.10')
        self.host('gpu-2', '550.54.14')
        (three,) = self.host('gpu-3', '550.54.14')
        self.boot(2, one)
        self.boot(1, three)
        self.assert_all_golden('stranded')

    def test_no_instances(self):
        self.host('gpu-1', '550.54.14', '550.54.14')
        self.host('gpu-2', '535.54.03')
        self.host('plain')
        self.assert_all_golden('no-instances')

    def test_not_enough_room(self):
        (one,) = self.host('gpu-1', '550.54.14', vgpus=4)
        (two,) = self.host('gpu-2', '550.54.14', vgpus=4)
        self.host('gpu-3', '550.54.14', vgpus=3)
        self.boot(2, one)
        self.boot(1, one, amount=2)
        self.boot(4, two)
        self.assert_all_golden('room', status=1)

    def move(self, origin, destination, status):
        """Let Nova be moving a server: its migration has the source."""
        (migration,) = self.boot(1, origin)
        (server,) = self.boot(1, destination or origin)
        if not destination:
            self.placement.ask('DELETE', f'/allocations/{server}')
        self.nova.migrations.setdefault(status, []).append(
            {
                'id': 1,
                'uuid': migration,
                'instance_uuid': server,
                'status': status,
            }
        )
        return server

    def test_being_moved(self):
        """It counts once, and where it goes as soon as that is known."""
        (one,) = self.host('gpu-1', '550.54.14')
        (two,) = self.host('gpu-2', '550.54.14')
        self.host('gpu-3', '550.54.14')
        hosts = {
            self.move(one, two, 'running'): 'gpu-2',
            self.move(one, None, 'accepted'): 'gpu-1',
            self.move(one, two, 'finished'): 'gpu-2',
        }
        done = self.plan(f'{TO_560} -f json')
        self.assertIn(
            'being moved, and taken for where they go: 3 instances',
            done.stderr,
        )
        moves = [
            move for row in json.loads(done.stdout) for move in row['go_to']
        ]
        first = {}
        for move in moves:
            first.setdefault(move['server'], move['from'])
        self.assertEqual(hosts, first)

    def test_mdevs_of_two_devices(self):
        """All of an instance's have to be accepted, wherever they are."""
        one = self.host('gpu-1', '550.54.14', ('550.54.14', 'nvidia-559'))
        self.host('gpu-2', '550.54.14', ('550.54.14', 'nvidia-559'))
        self.host('gpu-3', '550.54.14')
        (both,) = self.boot(1, *one)
        (single,) = self.boot(1, one[0])
        done = self.plan(TO_560, '-f', 'json')
        moves = [
            move for row in json.loads(done.stdout) for move in row['go_to']
        ]
        self.assertEqual(
            {(both, 'gpu-1', 'gpu-2'), (single, 'gpu-1', 'gpu-3')},
            {tuple(move.values()) for move in moves},
        )
        self.assertIn(
            'devices of type nvidia-559 count as staying as they are: on '
            'gpu-1, gpu-2; add --type if they change, too\n',
            done.stderr,
        )
        done = self.plan(f'{TO_560} --type nvidia-559')
        self.assertNotIn('count as staying', done.stderr)

    def test_other_formats(self):
        """All UUIDs are in them."""
        (board,) = self.host('gpu-1', '550.54.14')
        self.host('gpu-2', '550.54.14')
        (one,) = self.boot(1, board)
        for name, lines in (('csv', 3), ('value', 2)):
            shown = self.plan(f'{TO_560} -f {name}').stdout
            self.assertEqual(lines, shown.count('\n'))
            self.assertIn(one, shown)
        found = yaml.safe_load(self.plan(f'{TO_560} -f yaml').stdout)
        self.assertEqual(
            [{'server': one, 'from': 'gpu-1', 'to': 'gpu-2'}],
            found[-1]['go_to'],
        )

    def test_only_some_hosts(self):
        """Those that are not named stay, and take instances."""
        self.write_rules(HEAD + SAME)
        (one,) = self.host('gpu-1', '550.54.14')
        self.host('gpu-2', '550.54.14')
        self.host('gpu-3', '550.54.14')
        self.boot(1, one)
        rows = self.rows(f'{TO_560} gpu-1')
        self.assertEqual(
            [('gpu-1', ['gpu-3'])],
            [
                (row['host'], [move['to'] for move in row['go_to']])
                for row in rows
            ],
        )
        self.plan(f'{TO_560} gpu-1 gpu-2', status=1)

    def test_all_have_it(self):
        self.host('gpu-1', '560.28.3')
        (two,) = self.host('gpu-2', '560.28.03')
        self.boot(1, two)
        done = self.plan()
        self.assertEqual('\n', done.stdout)
        self.assertEqual('nothing to upgrade: on gpu-1, gpu-2\n', done.stderr)


class WarningTest(UpgradeTestCase):
    """What there is to know, on stderr, beside an answer."""

    def warned(self, *args, **kwargs):
        return self.plan(*args, **kwargs).stderr.splitlines()

    def test_other_rules_on_the_hosts(self):
        self.host('gpu-1', '550.54.14')
        self.host('gpu-2', '550.54.14')
        self.write_rules(HEAD + SAME)
        line = self.refuse(f'{TO_560} --rules {self.rules_dir}', status=4)
        self.assertIn(
            'these rules do not give what devices accept now: on gpu-1, '
            'gpu-2; ',
            line,
        )
        self.assert_no_allocations_read()

    def test_other_rules_are_allowed(self):
        self.host('gpu-0', '550.54.14')
        self.write_rules(HEAD + SAME)
        self.host('gpu-1', '550.54.14')
        line = f'{TO_560} --allow-mismatch'
        lines = self.warned(line)
        self.assertEqual(
            'devices accept now something else than these rules say: on '
            'gpu-0; the answer holds only if the hosts have these rules when '
            'they are upgraded, and no vendor plugin answers in their place',
            lines[0],
        )
        self.assertIn(
            'by these rules, which are not those of the hosts now: '
            'an order of 2 upgrades strands nobody',
            lines,
        )
        self.assertEqual(
            {
                'gpu-0': 'accepts now something else than these rules say',
                'gpu-1': '',
            },
            {row['host']: row['because'] for row in self.rows(line)},
        )

    def test_no_complete_identity(self):
        self.host('gpu-1', '550.54.14')
        (two,) = self.host('gpu-2', '550.54.14')
        self.placement.add_trait(two, 'CUSTOM_MDEV_FACT_ECC_OFF')
        self.boot(1, two)
        rows = self.rows()
        self.assertEqual(
            [(0, 'gpu-2', 1, 0), (1, 'gpu-1', 0, 0), (2, 'gpu-2', 0, 1)],
            [
                (
                    row['step'],
                    row['host'],
                    len(row['stranded']),
                    len(row['to_stop']),
                )
                for row in rows
            ],
        )
        self.assertEqual(
            'no complete identity is published (1 host)', rows[0]['because']
        )
        self.assertIn(
            'devices carry no complete identity, and count as '
            'accepted nowhere: on gpu-2',
            self.warned(),
        )

    def test_a_host_without_a_collector(self):
        """It takes nobody, and is none of those to upgrade."""
        root = self.placement.create_provider('silent')
        self.placement.create_provider('silent_pci_0000_80_00_0', root)
        (one,) = self.host('gpu-1', '550.54.14')
        self.boot(1, one)
        rows = self.rows()
        self.assertEqual(
            [(0, 'no collector has published here (1 host)'), (1, '')],
            [(row['step'], row['because']) for row in rows],
        )


class BadInputTest(UpgradeTestCase):
    def test_before_anything_is_asked(self):
        for line, message in (
            (
                f'{PLAN} --fact driver',
                "fact 'driver' is not of the form <name>=<value>",
            ),
            (
                'mdev upgrade plan --fact driver=1 --type _',
                "type: '_' has no letter or digit that a trait could carry",
            ),
            (
                f'{TO_560} --no-shipped',
                '--no-shipped leaves no rules: name some with --rules',
            ),
            (
                f'{TO_560} --rules /nowhere',
                '/nowhere: there is no such directory of rule files',
            ),
        ):
            self.assertEqual(message, self.refuse(line, status=2))
        for line in (
            'mdev upgrade plan --fact driver=1 --type -',
            'mdev upgrade plan --type nvidia-558',
            'mdev upgrade plan --fact driver=1',
        ):
            self.openstack(line, status=2)
        (self.rules_dir / 'nvidia.yaml').write_text('vendor: 10de\n')
        self.assertIn(
            'nvidia.yaml',
            self.refuse(f'{TO_560} --rules {self.rules_dir}', status=2),
        )
        self.assertEqual([], self.placement.requests)

    def test_nothing_of_the_kind(self):
        """That is seen before it is asked who has mdevs."""
        (one,) = self.host('gpu-1', '550.54.14')
        self.host('plain')
        self.boot(1, one)
        for line, message in (
            (
                f'{TO_560} gpu-2 gpu-1 gpu-3',
                'Placement has no compute host gpu-2, gpu-3: "openstack '
                'hypervisor list" has their names',
            ),
            (
                f'{TO_560} plain',
                'no device of host plain serves type nvidia-558, or has it '
                'in use',
            ),
            (
                'mdev upgrade plan --type nvidia-1 --fact driver=1',
                'no device serves type nvidia-1, or has it in use: "openstack '
                'mdev device list" has the types',
            ),
            (
                f'{PLAN} --fact drivers=1',
                'none of these devices has published fact drivers, and no '
                'rule asks for it; what they have: driver, ecc, mig, os, '
                'subsystem',
            ),
        ):
            self.assertEqual(message, self.refuse(line, status=2))
        self.assert_no_allocations_read()


class RequestTest(UpgradeTestCase):
    def asked(self):
        """Return of which providers it was asked who has something."""
        found = [
            path.split('/')[2]
            for _, path in self.placement.requests
            if path.endswith('/allocations')
        ]
        self.placement.requests.clear()
        return found

    def test_only_of_devices_that_it_can_make_a_difference_to(self):
        boards = [
            *self.host('gpu-1', '550.54.14'),
            *self.host('gpu-2', '550.54.14', ('550.54.14', 'nvidia-559')),
            *self.host('gpu-3', ('550.54.14', 'nvidia-559')),
            *self.host('gpu-4', '565.10'),
        ]
        self.boot(1, boards[0])
        self.placement.requests.clear()
        self.plan(f'{TO_560} gpu-1')
        self.assertEqual(sorted(boards[:3]), sorted(self.asked()))
        self.plan(f'{TO_560} gpu-4')
        self.assertEqual(
            sorted([*boards[:3], boards[4]]), sorted(self.asked())
        )

    def test_they_do_not_grow_with_hosts_but_for_that(self):
        counts = []
        for number in range(3):
            (board,) = self.host(f'gpu-{number}', '550.54.14')
            self.boot(1, board)
            self.placement.requests.clear()
            self.plan()
            counts.append(len(self.placement.requests))
        self.assertEqual(
            [1, 1], [later - one for one, later in itertools.pairwise(counts)]
        )
