# SPDX-License-Identifier: Apache-2.0
"""The rules that are shipped, from NVML to where a live migration goes.

NVML is the stand-in of test_nvidia, since there is no board to ask.
"""

import pathlib

import fixtures

from tests.functional import base
from tests.functional import nvml
from tests import hardware

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
    """The stand-in, where the process that asks NVML looks for it."""

    def _setUp(self):
        library = self.useFixture(nvml.Library()).path
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name, value in (
            ('LD_LIBRARY_PATH', library),
            ('NVML_LOG', self.home / 'log'),
        ):
            self.useFixture(fixtures.EnvironmentVariable(name, str(value)))

    def answer(self, name, text):
        """Say what the library answers on a host."""
        path = self.home / name
        path.write_text(text)
        self.useFixture(
            fixtures.EnvironmentVariable('NVML_ANSWERS', str(path))
        )


class DefaultTest(base.MdevCompatTestCase):
    """Devices of a vendor that has no rule file."""

    SHIPPED = ROOT / 'etc/nova-mdev-compat/rules.d'

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
        server = self.boot('src')

        self.assertEqual('good', self.migrate(server))
        self.assertEqual(['good'], self.checked)
        self.assertIn('1 of 6 hosts accept it', self.stdlog.logger.output)

    def test_another_version(self):
        """QEMU would fail while it loads the state."""
        self.start('src')
        self.start('newer', driver='1.3')
        server = self.boot('src')

        self.assert_no_valid_host(server)
        self.assertEqual([], self.checked)
        self.assertIn(
            'driver 1.2 is not version 1.3', self.stdlog.logger.output
        )

    def test_a_driver_of_the_kernels_own_tree(self):
        """All these hosts have one kernel."""
        self.start('src', driver='', taint='')
        self.start('by-force', driver='', taint='F')
        self.start('external')
        self.start('good', driver='', taint='E')
        server = self.boot('src')

        self.assertEqual('good', self.migrate(server))
        self.assertEqual(['good'], self.checked)

    def test_a_module_without_a_version(self):
        """Nobody knows whether another is the same."""
        self.start('src', driver='')
        self.start('other', driver='')
        server = self.boot('src')

        self.assert_no_valid_host(server)
        self.assertEqual([], self.checked)


class NvidiaTest(base.MdevCompatTestCase):
    SHIPPED = ROOT / 'etc/nova-mdev-compat/rules.d'

    def setUp(self):
        super().setUp()
        self.nvml = self.useFixture(Nvml())

    def start(self, name, ecc=1, **board):
        """Start a host with a board whose ECC mode NVML tells."""
        board = Board(0, **board)
        self.nvml.answer(
            name,
            ''
            if ecc is None
            else ANSWERS.format(board=board.address, ecc=ecc),
        )
        return self.start_host(name, board)

    def test_the_same_in_all_that_is_published(self):
        self.start('src')
        self.start('other-ecc', ecc=0)
        self.start('other-driver', driver='550.54.15')
        self.start('other-board', product='2236')
        self.start('silent', ecc=None)
        self.start('good')
        server = self.boot('src')

        self.assertEqual('good', self.migrate(server))
        self.assertEqual(['good'], self.checked)
        self.assertIn('1 of 5 hosts accept it', self.stdlog.logger.output)

    def test_why_not(self):
        self.start('src')
        self.start('other-ecc', ecc=0)
        self.start('other-driver', driver='535.54.03')
        server = self.boot('src')

        self.assert_no_valid_host(server)
        self.assertEqual([], self.checked)
        for reason in (
            'ecc on is not equal to off',
            'driver 550.54.14 is not version 535.54.03',
        ):
            self.assertIn(reason, self.stdlog.logger.output)

    def test_a_source_that_says_nothing_of_its_ecc_mode(self):
        """It is not known what it is: no host accepts it."""
        self.start('src', ecc=None)
        self.start('good')
        server = self.boot('src')

        self.assert_no_valid_host(server)
        self.assertIn(
            'ecc of the source is unknown', self.stdlog.logger.output
        )
