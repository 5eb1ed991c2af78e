# SPDX-License-Identifier: Apache-2.0

import json
import pathlib
import shutil

import ddt
import fixtures
from oslo_config import cfg
import testtools

from nova_mdev_compat.conf import nova as nova_options
from nova_mdev_compat.core import identity
from nova_mdev_compat.host import device_spec
from nova_mdev_compat.host import sysfs
from nova_mdev_compat.host import vfio
from nova_mdev_compat.host import vfio_parents
from tests import vfio_tree


class TreeTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def write(self, *boards):
        vfio_tree.write(self.root, *boards)

    def find(self):
        return vfio.find(str(self.root))

    def path(self, address):
        return self.root / 'bus/pci/devices' / address


@ddt.ddt
class FindTest(TreeTestCase):
    def test_functions_of_a_board(self):
        self.write(vfio_tree.VfioBoard(types=('558', '0')))

        (board,) = self.find()

        self.assertEqual('0000:81:00.0', board.address)
        self.assertEqual(
            (
                vfio.VirtualFunction(
                    '0000:81:00.4',
                    '0000:81:00.0',
                    '10de',
                    '2235',
                    'nvidia',
                    'nvidia-558',
                ),
                vfio.VirtualFunction(
                    '0000:81:00.5',
                    '0000:81:00.0',
                    '10de',
                    '2235',
                    'nvidia',
                    '',
                    'no vGPU type is set (current_vgpu_type is 0)',
                ),
            ),
            board.functions,
        )

    def test_boards_in_order(self):
        self.write(vfio_tree.VfioBoard(0x82), vfio_tree.VfioBoard(0x81))
        self.assertEqual(
            ['0000:81:00.0', '0000:82:00.0'],
            [board.address for board in self.find()],
        )

    def test_another_variant_driver(self):
        self.write(vfio_tree.VfioBoard(types=(None,), driver='mlx5_vfio_pci'))
        (board,) = self.find()
        self.assertEqual(
            ['mlx5_vfio_pci'], [one.type for one in board.functions]
        )

    @ddt.data('vfio-pci', 'mlx5_core', '')
    def test_no_variant_driver(self, driver):
        self.write(vfio_tree.VfioBoard(types=(None,)))
        vfio_tree.bind(self.root, '0000:81:00.4', driver)
        if driver == 'mlx5_core':
            (self.path('0000:81:00.4') / 'vfio-dev/vfio0').rmdir()
            (self.path('0000:81:00.4') / 'vfio-dev').rmdir()
        self.assertEqual((), self.find())

    def test_no_pci_devices(self):
        self.assertEqual((), self.find())

    @ddt.data(
        ('', "its nvidia/current_vgpu_type is ''"),
        ('none', "its nvidia/current_vgpu_type is 'none'"),
        ('-1', "its nvidia/current_vgpu_type is '-1'"),
        ('0x22e', "its nvidia/current_vgpu_type is '0x22e'"),
        ('5 58', "its nvidia/current_vgpu_type is '5 58'"),
        ('٥٥٨', "its nvidia/current_vgpu_type is '٥٥٨'"),
        ('1' * 10, f'its nvidia/current_vgpu_type is {"1" * 10!r}'),
        ('\0', "its nvidia/current_vgpu_type is '\\x00'"),
        ('00', 'no vGPU type is set (current_vgpu_type is 0)'),
    )
    @ddt.unpack
    def test_wrong_type(self, text, why):
        self.write(vfio_tree.VfioBoard(types=(text,)))
        (board,) = self.find()
        (function,) = board.functions
        self.assertEqual(('', why), (function.type, function.why_no_type))

    def test_huge_type(self):
        """Apart from the others: a test's name has its data."""
        self.write(vfio_tree.VfioBoard(types=('5' * 100_000,)))
        (board,) = self.find()
        self.assertEqual(
            f'its nvidia/current_vgpu_type is {"5" * 40!r}',
            board.functions[0].why_no_type,
        )

    def test_type_vanishes(self):
        self.write(vfio_tree.VfioBoard(types=('558',)))
        (self.path('0000:81:00.4') / 'nvidia/current_vgpu_type').unlink()
        (board,) = self.find()
        self.assertEqual(
            'its nvidia/current_vgpu_type is missing',
            board.functions[0].why_no_type,
        )

    def test_type_cannot_be_read(self):
        self.write(vfio_tree.VfioBoard(types=('558',)))
        path = self.path('0000:81:00.4') / 'nvidia/current_vgpu_type'
        path.unlink()
        path.mkdir()
        self.write(vfio_tree.VfioBoard(0x82))
        broken, board = self.find()
        self.assertEqual('0000:81:00.0', broken.address)
        self.assertIn('current_vgpu_type: Is a directory', str(broken.failure))
        self.assertIsNone(board.failure)

    @ddt.data('10de', '0x10DE', '0x', '', 'x' * 50)
    def test_wrong_ids(self, text):
        self.write(vfio_tree.VfioBoard(types=('558',)))
        (self.path('0000:81:00.4') / 'vendor').write_text(text)
        (board,) = self.find()
        self.assertEqual('', board.functions[0].vendor)


class FactsTest(TreeTestCase):
    def facts(self):
        (board,) = self.find()
        return vfio.facts(sysfs.Sysfs(str(self.root)), board)

    def test_facts(self):
        self.write(vfio_tree.VfioBoard())
        self.assertEqual(
            {
                'driver': '550.54.14',
                'framework': 'vfio',
                'intree': 'no',
                'module': 'nvidia',
                'revision': 'a1',
                'subsystem': '10de:14d9',
            },
            self.facts(),
        )

    def test_firmware(self):
        self.write(vfio_tree.VfioBoard())
        vfio_tree.write_adapter(
            self.root, '0000:81:00.0', '28.41.1000', 'MT_0000000838'
        )
        found = self.facts()
        self.assertEqual('28.41.1000', found['firmware'])
        self.assertEqual('MT_0000000838', found['psid'])

    def test_without_firmware(self):
        self.write(vfio_tree.VfioBoard())
        vfio_tree.write_adapter(self.root, '0000:81:00.0', '', None)
        self.assertEqual(
            set(), {'firmware', 'psid'}.intersection(self.facts())
        )

    def test_revisions_differ(self):
        self.write(vfio_tree.VfioBoard())
        (self.path('0000:81:00.5') / 'revision').write_text('0xa2\n')
        self.assertNotIn('revision', self.facts())


class ChosenTypeTest(TreeTestCase):
    def chosen(self, *types):
        self.write(vfio_tree.VfioBoard(types=types))
        (board,) = self.find()
        return vfio_parents.chosen_type(board.functions)

    def test_alike(self):
        self.assertEqual(('nvidia-558', ''), self.chosen('558', '558'))

    def test_none_is_used(self):
        chosen, why = vfio_parents.chosen_type(())
        self.assertIsNone(chosen)
        self.assertIn('[pci]device_spec', why)

    def test_one_without_a_type(self):
        chosen, why = self.chosen('558', '0', '0')
        self.assertIsNone(chosen)
        self.assertIn(
            '0000:81:00.5, 0000:81:00.6: no vGPU type is set '
            '(current_vgpu_type is 0)',
            why,
        )

    def test_different_types(self):
        chosen, why = self.chosen('558', '559')
        self.assertIsNone(chosen)
        self.assertIn(
            'nvidia-558 on 0000:81:00.4; nvidia-559 on 0000:81:00.5', why
        )

    def test_one_lost_its_driver(self):
        self.write(vfio_tree.VfioBoard())
        vfio_tree.bind(self.root, '0000:81:00.5', 'vfio-pci')
        nvidia = self.path('0000:81:00.5') / 'nvidia'
        (nvidia / 'current_vgpu_type').unlink()
        nvidia.rmdir()
        (board,) = self.find()
        chosen, why = vfio_parents.chosen_type(board.functions)
        self.assertIsNone(chosen)
        self.assertIn('driver vfio-pci is bound to it', why)


@ddt.ddt
class BuildTest(TreeTestCase):
    """Which functions count, and what a parent is then."""

    def build(self, *specs):
        conf = cfg.ConfigOpts()
        nova_options.register_opts(conf)
        conf([])
        conf.set_override('device_spec', list(map(json.dumps, specs)), 'pci')
        found = self.find()
        return vfio_parents.build(
            found,
            device_spec.device_specs(conf),
            {one.address: vfio.parent_id(one) for one in found},
            {
                one.address: identity.Facts(
                    vfio.facts(sysfs.Sysfs(str(self.root)), one)
                )
                for one in found
            },
        )

    def test_parent(self):
        self.write(vfio_tree.VfioBoard())
        (parent,) = self.build({'address': '0000:81:00.*'})
        self.assertEqual('0000:81:00.0', parent.name)
        self.assertEqual('10DE_2235', parent.parent_id)
        self.assertEqual('nvidia-558', parent.target_type)
        self.assertEqual(frozenset(), parent.in_use)
        self.assertEqual('vfio', parent.facts['framework'])
        self.assertIs(True, parent.used)

    def test_functions_that_nova_does_not_use_do_not_count(self):
        self.write(vfio_tree.VfioBoard(types=('558', '0', '559')))
        (parent,) = self.build({'address': '0000:81:00.4'})
        self.assertEqual('nvidia-558', parent.target_type)
        self.assertEqual(frozenset(), parent.in_use)

    def test_a_board_for_neutron_alone_is_left_out(self):
        self.write(vfio_tree.VfioBoard())
        network = {'physical_network': 'physnet1'}
        self.assertEqual(
            (), self.build({'address': '0000:81:00.*', **network})
        )
        (parent,) = self.build(
            {'address': '0000:81:00.4', **network},
            {'address': '0000:81:00.5'},
        )
        self.assertEqual('nvidia-558', parent.target_type)

    def test_a_board_that_nova_does_not_use(self):
        self.write(vfio_tree.VfioBoard())
        (parent,) = self.build({'address': '0000:82:00.*'})
        self.assertIsNone(parent.target_type)
        self.assertIs(False, parent.used)

    def test_types_of_an_unlike_board_are_in_use(self):
        self.write(vfio_tree.VfioBoard(types=('558', '0')))
        (parent,) = self.build({'address': '0000:81:00.*'})
        self.assertIsNone(parent.target_type)
        self.assertEqual({'nvidia-558'}, parent.in_use)

    @ddt.data(
        ('CUSTOM_A40', 'a40', None),
        ('CUSTOM_A40_8Q', 'CUSTOM_A40_12Q', 'nvidia-559'),
        # The class of vendor and product: any board of this product.
        (None, None, 'nvidia-559'),
    )
    @ddt.unpack
    def test_boards_of_one_class(self, one, other, expected):
        self.write(
            vfio_tree.VfioBoard(0x81),
            vfio_tree.VfioBoard(0x82, types=('559', '559')),
        )
        first, second = self.build(
            {'address': '0000:81:*.*', 'resource_class': one},
            {'address': '0000:82:*.*', 'resource_class': other},
        )
        self.assertEqual(expected, second.target_type)
        self.assertEqual(
            expected and 'nvidia-558', first.target_type, first.why_no_type
        )
        if not expected:
            self.assertIn(
                'CUSTOM_A40 to functions of different types: nvidia-558 on '
                '0000:81:00.0; nvidia-559 on 0000:82:00.0',
                first.why_no_type,
            )


class WatchedTest(TreeTestCase):
    def setUp(self):
        super().setUp()
        self.write(vfio_tree.VfioBoard(types=('558', '0', None)))

    def watched(self):
        return vfio.watched(str(self.root))

    def test_virtual_functions_only(self):
        self.assertEqual(
            {'0000:81:00.4', '0000:81:00.5', '0000:81:00.6'},
            self.watched().keys(),
        )
        self.assertEqual(self.watched(), self.watched())

    def test_what_changes(self):
        path = self.path('0000:81:00.5')
        for change in (
            lambda: vfio_tree.set_type(self.root, path.name, '558'),
            lambda: vfio_tree.bind(self.root, path.name, 'vfio-pci'),
            lambda: vfio_tree.bind(self.root, path.name, ''),
            lambda: shutil.rmtree(path / 'nvidia'),
            (path / 'physfn').unlink,
        ):
            before = self.watched()
            change()
            after = self.watched()
            self.assertEqual(
                {path.name},
                {name for name in before if after.get(name) != before[name]},
            )

    def test_what_cannot_be_read(self):
        """It differs from what could be read, and stops nothing."""
        before = self.watched()
        path = self.path('0000:81:00.5') / 'nvidia/current_vgpu_type'
        path.unlink()
        path.mkdir()
        after = self.watched()
        self.assertIn('directory', after['0000:81:00.5'][1])
        self.assertEqual(before['0000:81:00.4'], after['0000:81:00.4'])

    def test_huge_file(self):
        vfio_tree.set_type(self.root, '0000:81:00.5', '1' * 1_000_000)
        self.assertEqual('1' * 64, self.watched()['0000:81:00.5'][1])

    def test_no_pci(self):
        self.assertEqual({}, vfio.watched(f'{self.root}/nothing'))
