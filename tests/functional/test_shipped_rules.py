# SPDX-License-Identifier: Apache-2.0
"""The shipped rules, from NVML to the destination of a live migration.

NVML is the stand-in of test_nvidia: no board is here.
"""

import pathlib

import fixtures

from tests.functional import base
from tests.functional import nvml
from tests.functional import vfio_base
from tests import hardware
from tests import vfio_tree

Board = hardware.Board
ROOT = pathlib.Path(__file__).parents[2]
ANSWERS = """\
{board} nvmlDeviceGetHandleByPciBusId_v2 ok
{board} nvmlDeviceGetEccMode {ecc}
{board} nvmlDeviceGetMigMode error 3
{board} nvmlDeviceGetGspFirmwareMode error 3
{board} nvmlDeviceGetGspFirmwareVersion error 3
{board} nvmlDeviceGetVgpuMetadata 1 393217 1048578 550.54.10
"""


class Nvml(fixtures.Fixture):
    """The stand-in library, where its process looks for it."""

    def _setUp(self):
        library = self.useFixture(nvml.Library()).path
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name, value in (
            ('LD_LIBRARY_PATH', library),
            ('NVML_LOG', self.home / 'log'),
        ):
            self.useFixture(fixtures.EnvironmentVariable(name, str(value)))

    def answer(self, name, text):
        """Write the answers of the library on a host."""
        path = self.home / name
        path.write_text(text)
        self.useFixture(
            fixtures.EnvironmentVariable('NVML_ANSWERS', str(path))
        )


class ShippedTestCase(base.MdevCompatTestCase):
    SHIPPED = ROOT / 'etc/nova-mdev-compat/rules.d'

    def assert_only_good(self):
        """An instance on src can go to the host good, and to no other."""
        self.assertEqual('good', self.migrate(self.boot('src')))
        self.assertEqual(['good'], self.checked)

    def assert_none(self, *reasons):
        self.assert_no_valid_host(self.boot('src'))
        self.assertEqual([], self.checked)
        for reason in reasons:
            self.assertIn(reason, self.stdlog.logger.output)


class DefaultTest(ShippedTestCase):
    """Devices of a vendor that has no rule file."""

    def start(self, name, driver='1.2', taint='OE', **board):
        board = Board(
            0,
            vendor='1234',
            module='labgpu',
            driver=driver,
            taint=taint,
            **board,
        )
        return self.start_host(name, board)

    def test_the_same_driver(self):
        """A module from outside the kernel's tree, by its version."""
        self.start('src')
        self.start('newer', driver='1.3')
        self.start('older', driver='1.1')
        self.start('other-board', product='2236')
        self.start('no-version', driver='')
        self.start('own', driver='1.2', taint='')
        self.start('good')
        self.assert_only_good()
        self.assertIn('1 of 6 hosts accept it', self.stdlog.logger.output)

    def test_another_version(self):
        """QEMU would fail while it loads the state."""
        self.start('src')
        self.start('newer', driver='1.3')
        self.assert_none('driver 1.2 is not version 1.3')

    def test_a_driver_of_the_kernels_own_tree(self):
        """All these hosts have one kernel."""
        self.start('src', driver='', taint='')
        self.start('by-force', driver='', taint='F')
        self.start('external')
        self.start('good', driver='', taint='E')
        self.assert_only_good()

    def test_a_module_without_a_version(self):
        """Whether it is the same is unknown."""
        self.start('src', driver='')
        self.start('other', driver='')
        self.assert_none()


class NvidiaTest(ShippedTestCase):
    def setUp(self):
        super().setUp()
        self.nvml = self.useFixture(Nvml())

    def start(self, name, ecc=1, **board):
        """Start a host; NVML reports the ECC mode of its board."""
        board = Board(0, **board)
        answers = ANSWERS.format(board=board.address, ecc=ecc)
        self.nvml.answer(name, '' if ecc is None else answers)
        return self.start_host(name, board)

    def test_the_same_in_all_that_is_published(self):
        self.start('src')
        self.start('other-ecc', ecc=0)
        self.start('other-driver', driver='550.54.15')
        self.start('other-board', product='2236')
        self.start('unknown-ecc', ecc=None)
        self.start('good')
        self.assert_only_good()
        self.assertIn('1 of 5 hosts accept it', self.stdlog.logger.output)

    def test_why_not(self):
        self.start('src')
        self.start('other-ecc', ecc=0)
        self.start('other-driver', driver='535.54.03')
        self.assert_none(
            'ecc on is not equal to off',
            'driver 550.54.14 is not version 535.54.03',
        )

    def test_a_source_whose_ecc_mode_is_unknown(self):
        self.start('src', ecc=None)
        self.start('good')
        self.assert_none('ecc of the source is unknown')


class NvidiaFunctionsTest(vfio_base.VfioTestCase):
    """The same file, for virtual functions."""

    SHIPPED = ROOT / 'etc/nova-mdev-compat/rules.d'

    def setUp(self):
        super().setUp()
        self.nvml = self.useFixture(Nvml())

    def start(self, name, ecc=1, **board):
        """Start a host with a board whose ECC mode NVML tells."""
        board = vfio_base.board(**board)
        self.nvml.answer(name, ANSWERS.format(board=board.address, ecc=ecc))
        self.start_host(name, board)

    def test_the_same_in_all_that_is_published(self):
        self.start('src')
        self.start('other-ecc', ecc=0)
        self.start('other-driver', version='550.54.15')
        self.start('good')
        server = self.boot('src')

        self.assertEqual('good', self.migrate(server))
        self.assertEqual(['good'], self.checked)
        self.assertIn('1 of 3 hosts accept it', self.stdlog.logger.output)


class Mlx5Test(vfio_base.VfioTestCase):
    SHIPPED = ROOT / 'etc/nova-mdev-compat/rules.d'
    DEVICE = {
        'vendor_id': '15b3',
        'product_id': '101e',
        'resource_class': 'CUSTOM_CONNECTX_7',
    }
    PCI_DEVICE_SPEC = [vfio_base.spec(**DEVICE)]
    PCI_ALIAS = [vfio_base.alias(**DEVICE)]

    def start(self, name, firmware='28.41.1000', psid='MT_0000000838'):
        """Start a host with an adapter; None for what cannot be read."""
        board = vfio_base.board(
            types=(None, None),
            vendor='15b3',
            product='101e',
            driver='mlx5_vfio_pci',
            version='24.10',
            taint='OE',
        )
        self.start_host(name, board, collect=False)
        vfio_tree.write_adapter(
            self.sysfs(name), board.address, firmware, psid
        )
        self.collect(name)

    def test_the_same_adapter_and_firmware(self):
        self.start('src')
        self.start('other-firmware', firmware='28.39.1002')
        self.start('other-psid', psid='MT_0000000834')
        self.start('no-firmware', firmware=None)
        self.start('good')
        server = self.boot('src')

        self.assertEqual('good', self.migrate(server))
        self.assertEqual(['good'], self.checked)
        self.assertIn('1 of 4 hosts accept it', self.stdlog.logger.output)

    def test_a_source_whose_firmware_cannot_be_read(self):
        self.start('src', firmware=None)
        self.start('good')
        server = self.boot('src')

        self.assert_no_valid_host(server)
        self.assertEqual([], self.checked)
        self.assertIn(
            'firmware of the source is unknown', self.stdlog.logger.output
        )
