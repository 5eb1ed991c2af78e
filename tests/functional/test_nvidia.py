# SPDX-License-Identifier: Apache-2.0
"""The plugin for NVIDIA's boards, on the real nvidia-ml-py.

The tests have no board of NVIDIA's and no driver: libnvidia-ml.so.1 is a
stand-in, nvml/libnvidia-ml.c, with the same C interface. What the real library
answers in these states is from NVIDIA's documentation.
"""

import collections
import ctypes.util
import json
import os
import pathlib
import signal

import ddt
import fixtures

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import manager
from nova_mdev_compat.vendors import nvidia
from tests.functional import collector_base
from tests.functional import nvml
from tests.functional import service_base
from tests.unit import vendors

FIRST, SECOND = '0000:81:00.0', '0000:81:01.0'
FACTS = {
    'ecc': 'on',
    'mig': 'off',
    'gsp': 'on',
    'gspversion': '550.54.14',
    'managerversion': '550.54.10',
    'migration': 'supported',
    'minvgpuversion': '393217',
    'maxvgpuversion': '1048578',
}
VGPU_FACTS = list(FACTS)[-4:]
HANDLE = 'nvmlDeviceGetHandleByPciBusId_v2'
ANSWERS = {
    HANDLE: 'ok',
    'nvmlDeviceGetEccMode': '1',
    'nvmlDeviceGetMigMode': '0',
    'nvmlDeviceGetGspFirmwareMode': '1',
    'nvmlDeviceGetGspFirmwareVersion': '550.54.14',
    'nvmlDeviceGetVgpuMetadata': '1 393217 1048578 550.54.10',
}

# nvmlReturn_t.
NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND = 3, 4, 6
INSUFFICIENT_POWER, DRIVER_NOT_LOADED, TIMEOUT = 8, 9, 10
IRQ_ISSUE, GPU_IS_LOST, RESET_REQUIRED = 11, 15, 16
OPERATING_SYSTEM, VERSION_MISMATCH, IN_USE = 17, 18, 19
GPU_NOT_FOUND, UNKNOWN = 28, 999

RULES = """
schema_version: "1.0"
vendor: "10de"
rules:
  - name: same ECC mode
    accepts: {facts: {ecc: same}}
"""
ACCEPT_ECC = 'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_11__ECC_IS_ON'


class NvidiaTestCase(collector_base.CollectorTestCase):
    """Has two boards that answer everything, unless a test changes that."""

    def setUp(self):
        super().setUp()
        self.library = self.useFixture(nvml.Library()).path
        self.nvml_log = self.home / 'nvml.log'
        self.answers = {}
        for board in (FIRST, SECOND):
            for function, value in ANSWERS.items():
                self.answer(board, function, value)
        # The shipped rules may ask for more than these tests are about.
        self.write_rules(RULES, name='nvidia.yaml')

    def answer(self, board, function, value):
        self.answers[board, function] = value

    def fail_in(self, board, function, error):
        self.answer(board, function, f'error {error}')

    def write_answers(self):
        """Write the answers of the stand-in; return its variables."""
        answers = self.home / 'nvml.answers'
        # The stand-in never sees half of it.
        part = answers.with_suffix('.part')
        part.write_text(
            ''.join(
                f'{board} {function} {value}\n'
                for (board, function), value in self.answers.items()
            ),
            # Surrogates are bytes that are not UTF-8.
            encoding='utf-8',
            errors='surrogateescape',
        )
        part.rename(answers)
        self.nvml_log.write_text('')
        return {
            'LD_LIBRARY_PATH': str(self.library),
            'NVML_ANSWERS': str(answers),
            'NVML_LOG': str(self.nvml_log),
        }

    def collect(self, *args, status=0):
        """Run the collector with the stand-in; return output and log."""
        return self.run_collector(
            *args, status=status, env={**os.environ, **self.write_answers()}
        )

    def parents(self):
        """Return the parents in the output of dry-run, by name."""
        shown, _ = self.collect('dry-run', '--format', 'json')
        return {
            parent['name']: parent for parent in json.loads(shown)['parents']
        }

    def of_nvml(self, slot=0):
        """Return values and unknown facts of one board."""
        parent = self.parents()[f'pci_0000_81_{slot:02x}_0']
        values, unknown = [
            {name: found[name] for name in FACTS.keys() & found.keys()}
            for found in (parent['facts'], parent['unknown_facts'])
        ]
        return values, unknown

    def assert_unknown(self, names, regex):
        """These facts of the first board are unknown, and no others."""
        values, unknown = self.of_nvml()
        self.assertEqual(set(names), set(unknown))
        self.assertEqual(
            {name: FACTS[name] for name in FACTS.keys() - set(names)}, values
        )
        for why in unknown.values():
            self.assertRegex(why, regex)

    def calls(self):
        """Return how often each function was called for each board."""
        lines = self.nvml_log.read_text().splitlines()
        return collections.Counter(tuple(line.split()) for line in lines)

    def assert_closed(self, times=1):
        calls = self.calls()
        self.assertEqual(times, calls['nvmlInitWithFlags', '-'])
        self.assertEqual(times, calls['nvmlShutdown', '-'])


@ddt.ddt
class FactsTest(NvidiaTestCase):
    def test_all(self):
        self.assertEqual((FACTS, {}), self.of_nvml())
        self.assert_closed()

    def test_opposite_values(self):
        for function, value in {
            'EccMode': '0',
            'MigMode': '1',
            'GspFirmwareMode': '0',
            # Other capabilities than migration.
            'VgpuMetadata': '6 0 0 535.161.05',
        }.items():
            self.answer(FIRST, f'nvmlDeviceGet{function}', value)
        expected = {
            'ecc': 'off',
            'mig': 'on',
            'gsp': 'off',
            'migration': 'unsupported',
            'managerversion': '535.161.05',
            'minvgpuversion': '0',
            'maxvgpuversion': '0',
        }
        self.assertEqual(({**FACTS, **expected}, {}), self.of_nvml())
        self.assertEqual((FACTS, {}), self.of_nvml(slot=1))

    def test_published(self):
        self.collect('once')
        self.assertLessEqual(
            {
                'CUSTOM_MDEV_FACT_ECC_ON',
                'CUSTOM_MDEV_FACT_MIG_OFF',
                'CUSTOM_MDEV_FACT_GSPVERSION_550_54_14',
                'CUSTOM_MDEV_FACT_MIGRATION_SUPPORTED',
                ACCEPT_ECC,
            },
            self.published()[1],
        )

    @ddt.data(
        ('nvmlDeviceGetEccMode', ['ecc']),
        ('nvmlDeviceGetMigMode', ['mig']),
        ('nvmlDeviceGetGspFirmwareMode', ['gsp']),
        ('nvmlDeviceGetGspFirmwareVersion', ['gspversion']),
        ('nvmlDeviceGetVgpuMetadata', VGPU_FACTS),
    )
    @ddt.unpack
    def test_unsupported_is_an_answer(self, function, names):
        self.fail_in(FIRST, function, NOT_SUPPORTED)
        self.assertEqual(
            ({**FACTS, **dict.fromkeys(names, 'unsupported')}, {}),
            self.of_nvml(),
        )

    @ddt.data('', '---', '\udcff\udcfe')
    def test_unreadable_text(self, text):
        self.answer(FIRST, 'nvmlDeviceGetGspFirmwareVersion', text)
        self.answer(
            FIRST, 'nvmlDeviceGetVgpuMetadata', f'1 393217 1048578 {text}'
        )
        self.assert_unknown(
            ['gspversion', 'managerversion'], 'unreadable text.*nvidia-smi -q'
        )


class BoardsTest(NvidiaTestCase):
    def test_virtual_functions_read_their_board_once(self):
        """32 virtual functions on each of 8 boards."""
        boards = [f'0000:81:{slot:02x}.0' for slot in range(8)]
        xml, names = [], []
        for slot, board in enumerate(boards):
            for function, value in ANSWERS.items():
                self.answer(board, function, value)
            for number in range(32):
                place = {
                    'slot': 8 + 4 * slot + number // 8,
                    'function': number % 8,
                }
                xml.append(collector_base.device(**place))
                address = '0000:81:{slot:02x}.{function}'.format(**place)
                names.append(
                    'pci_' + address.replace(':', '_').replace('.', '_')
                )
                path = self.home / 'sys/devices/pci0000:80' / address
                path.mkdir(parents=True)
                (path / 'physfn').symlink_to(f'../{board}')
        self.answer(boards[1], 'nvmlDeviceGetEccMode', '0')
        self.devices(*xml)

        parents = self.parents()
        self.assertEqual(set(names), set(parents))
        for number, name in enumerate(names):
            ecc = 'off' if number // 32 == 1 else 'on'
            self.assertLessEqual(
                {**FACTS, 'ecc': ecc}.items(), parents[name]['facts'].items()
            )
        self.assert_closed()
        calls = self.calls()
        for board in boards:
            for function in ANSWERS:
                # That one is first asked for the size of its answer.
                times = 2 if function.endswith('VgpuMetadata') else 1
                self.assertEqual(times, calls[function, board], function)
        self.assertEqual(2 + 8 * len(ANSWERS), len(calls))

    def test_no_board_at_all(self):
        """The library is left alone."""
        self.devices()
        self.assertEqual({}, self.parents())
        self.assert_closed(times=0)

    def test_other_vendor(self):
        self.devices(collector_base.device(0, vendor='8086'))
        self.assertEqual(({}, {}), self.of_nvml())
        self.assert_closed(times=0)


@ddt.ddt
class StatesTest(NvidiaTestCase):
    """A state of the host is not an error; the reason has a remedy."""

    @ddt.data(None, b'', b'no library')
    def test_no_library(self, content):
        """It is missing or invalid."""
        if content is None and ctypes.util.find_library('nvidia-ml'):
            self.skipTest('this machine has the real one')
        self.library = self.home / 'lib'
        self.library.mkdir()
        if content is not None:
            (self.library / nvml.LIBRARY).write_bytes(content)
        self.assert_unknown(FACTS, "libnvidia-ml.so.1 .*install NVIDIA's vGPU")

    @ddt.data(
        (DRIVER_NOT_LOADED, 'load NVIDIA.*drop-in nova-mdev-collector-nvidia'),
        (NO_PERMISSION, 'no permission.*drop-in nova-mdev-collector-nvidia'),
        (OPERATING_SYSTEM, 'drop-in nova-mdev-collector-nvidia'),
        (NOT_FOUND, 'does not find a board'),
    )
    @ddt.unpack
    def test_init(self, error, regex):
        self.fail_in('-', 'nvmlInitWithFlags', error)
        self.assert_unknown(FACTS, regex)
        self.assertEqual({('nvmlInitWithFlags', '-'): 1}, self.calls())

    @ddt.data(
        (NOT_FOUND, 'does not find a board at this address'),
        (GPU_NOT_FOUND, 'does not find a board at this address'),
        (GPU_IS_LOST, 'the board is lost.*reboot'),
        (RESET_REQUIRED, 'reset: .*nvidia-smi --gpu-reset'),
        (INSUFFICIENT_POWER, 'power cables'),
        (IRQ_ISSUE, 'interrupts'),
        (NO_PERMISSION, 'no permission'),
    )
    @ddt.unpack
    def test_board(self, error, regex):
        """The other boards are read."""
        self.fail_in(FIRST, HANDLE, error)
        self.assert_unknown(FACTS, regex)
        self.assertEqual((FACTS, {}), self.of_nvml(slot=1))
        self.assert_closed()

    def test_lost_between_two_questions(self):
        self.fail_in(FIRST, 'nvmlDeviceGetVgpuMetadata', GPU_IS_LOST)
        self.assert_unknown(VGPU_FACTS, 'the board is lost')
        self.assert_closed()

    def test_driver_older_than_a_function(self):
        self.library = self.useFixture(nvml.Library('WITHOUT_GSP')).path
        self.assert_unknown(['gsp', 'gspversion'], "upgrade NVIDIA's driver")
        self.assert_closed()

    def test_reason_of_a_rule(self):
        """The operator sees why the rule does not apply."""
        self.fail_in('-', 'nvmlInitWithFlags', DRIVER_NOT_LOADED)
        shown, _ = self.collect('dry-run')
        self.assertRegex(
            ' '.join(shown.split()),
            'ecc of the target is unknown: NVML finds no driver',
        )


@ddt.ddt
class FailureTest(NvidiaTestCase):
    """A read that failed ends the pass; what was published stays."""

    def setUp(self):
        super().setUp()
        self.collect('once')
        self.before = self.published()
        self.assertIn(ACCEPT_ECC, self.before[1])

    def assert_failed(self, *texts):
        _, log = self.collect('once', status=1)
        self.assertEqual(self.before, self.published())
        for text in texts:
            self.assertIn(text, log)

    @ddt.data((SECOND, 'nvmlDeviceGetMigMode'), (FIRST, HANDLE))
    @ddt.unpack
    def test_board(self, board, function):
        self.fail_in(board, function, UNKNOWN)
        self.assert_failed(
            f'NVML, asked about {board}: Unknown Error (error {UNKNOWN})',
            'next pass',
            'nvidia-smi',
        )
        self.assert_closed()

    def test_init(self):
        self.fail_in('-', 'nvmlInitWithFlags', UNKNOWN)
        self.assert_failed(
            f'NVML, asked about {FIRST}, {SECOND}:',
            'whether the collector may open /dev/nvidia*',
        )

    def test_version_mismatch(self):
        """The driver was upgraded on disk, and the old one still runs."""
        self.fail_in('-', 'nvmlInitWithFlags', VERSION_MISMATCH)
        self.assert_failed('reload the driver, or reboot the host')

    def test_shutdown(self):
        """All is read by then, and the process ends."""
        self.fail_in('-', 'nvmlShutdown', UNKNOWN)
        self.assertEqual((FACTS, {}), self.of_nvml())
        self.assert_closed()

    def test_error_that_the_bindings_do_not_know(self):
        """NVML itself has a text for it."""
        self.fail_in(FIRST, 'nvmlDeviceGetEccMode', 77)
        self.assert_failed("stand-in's error 77", FIRST)

    def test_state_is_no_failure(self):
        """What was published is withdrawn: it is not known any more."""
        self.fail_in(FIRST, HANDLE, GPU_IS_LOST)
        self.collect('once')
        self.assertNotIn(ACCEPT_ECC, self.published()[1])
        self.assertIn(ACCEPT_ECC, self.published()[2])


class Other(base.Vendor):
    """Another vendor's plugin, in the same collector."""

    vendors = frozenset({'mtty'})
    fact_names = {'ports': 'number of ports'}

    def facts(self, devices):
        return {device.name: base.Facts({'ports': '2'}) for device in devices}


OTHER = base.Device('mtty_mtty', 'MTTY', None, None, frozenset({'mtty-2'}))


@ddt.ddt
class IsolationTest(NvidiaTestCase):
    """A fault of one board, or of NVML, affects nothing else.

    Plugins are called in this process, as the collector does it in its own.
    """

    def setUp(self):
        super().setUp()
        # NVML has eight tenths of that.
        conf = vendors.config(self, vendor_timeout=10)
        self.vendors = manager.Vendors(
            conf, {'nvidia': nvidia.Nvidia, 'other': Other}
        )

    def facts(self):
        """Return facts of each board, or a text: why it cannot be read."""
        for name, value in self.write_answers().items():
            self.useFixture(fixtures.EnvironmentVariable(name, value))
        found = self.vendors.facts(
            [
                OTHER,
                *(
                    base.Device(board, '10DE_2235', board, board, frozenset())
                    for board in (FIRST, SECOND)
                ),
            ]
        )
        self.assertEqual(base.Facts({'ports': '2'}), found.pop(OTHER.name))
        self.assertEqual({FIRST, SECOND}, set(found))
        self.assertNotIn(
            'nvidia-ml', pathlib.Path('/proc/self/maps').read_text()
        )
        return [
            str(facts) if isinstance(facts, exceptions.Failure) else facts
            for _, facts in sorted(found.items())
        ]

    def test_none(self):
        self.assertEqual([base.Facts(FACTS)] * 2, self.facts())

    @ddt.data(UNKNOWN, TIMEOUT, IN_USE)
    def test_one_board(self, error):
        """The other one is read, before or after it."""
        self.fail_in(FIRST, 'nvmlDeviceGetMigMode', error)
        first, second = self.facts()
        self.assertIn(f'NVML, asked about {FIRST}: ', first)
        self.assertIn(f'(error {error})', first)
        self.assertEqual(base.Facts(FACTS), second)

        self.answer(FIRST, 'nvmlDeviceGetMigMode', '0')
        self.fail_in(SECOND, HANDLE, error)
        first, second = self.facts()
        self.assertEqual(base.Facts(FACTS), first)
        self.assertIn(f'NVML, asked about {SECOND}: ', second)

    def test_all_boards(self):
        self.fail_in('-', 'nvmlInitWithFlags', VERSION_MISMATCH)
        for text in self.facts():
            self.assertRegex(text, 'installed library.*reboot')
        self.answer('-', 'nvmlInitWithFlags', 'ok')
        self.assertEqual([base.Facts(FACTS)] * 2, self.facts())

    @ddt.data(
        ('crash', 'was terminated by SIGSEGV'),
        ('hang', 'did not answer within 8 seconds and was killed'),
    )
    @ddt.unpack
    def test_dies(self, how, what):
        """The next pass reads the board that failed last."""
        self.answer(FIRST, 'nvmlDeviceGetEccMode', how)
        text = f'NVML, asked about {FIRST}: the process {what}'
        for found in self.facts():
            self.assertIn(text, found)
        first, second = self.facts()
        self.assertIn(text, first)
        self.assertEqual(base.Facts(FACTS), second)

        self.answer(FIRST, 'nvmlDeviceGetEccMode', '1')
        self.assertEqual([base.Facts(FACTS)] * 2, self.facts())
        # The first board has recovered, so it comes first again.
        self.answer(SECOND, 'nvmlDeviceGetEccMode', 'crash')
        first, second = self.facts()
        self.assertEqual(base.Facts(FACTS), first)
        self.assertIn(
            f'NVML, asked about {SECOND}: the process was terminated', second
        )

    @ddt.data('nvmlInitWithFlags', 'nvmlShutdown')
    def test_dies_without_a_board(self, function):
        self.answer('-', function, 'crash')
        found = self.facts()
        if function == 'nvmlShutdown':
            self.assertEqual([base.Facts(FACTS)] * 2, found)
        else:
            for text in found:
                self.assertIn('the process was terminated by SIGSEGV', text)

    def test_prints(self):
        """Output of the library is not an answer."""
        lie = json.dumps(
            {'board': FIRST, 'values': {'ecc': 'off'}, 'unknown': {}}
        )
        self.library = self.useFixture(
            nvml.Library(f'NOISE={json.dumps(lie)}')
        ).path
        self.assertEqual([base.Facts(FACTS)] * 2, self.facts())

    def test_prints_without_end(self):
        self.answer(SECOND, 'nvmlDeviceGetEccMode', 'babble')
        first, second = self.facts()
        self.assertEqual(base.Facts(FACTS), first)
        self.assertIn('was killed; it printed: a', second)


class ServiceTest(NvidiaTestCase, service_base.ServiceTestCase):
    """One process of the collector, through many passes."""

    OLD, NEW = '535.161.05', '550.54.10'

    def setUp(self):
        super().setUp()
        self.install(self.OLD)
        self.load(self.OLD)
        for name, value in self.write_answers().items():
            self.useFixture(fixtures.EnvironmentVariable(name, value))

    def install(self, version):
        """Install NVIDIA's library, in place of what is there."""
        new = self.useFixture(nvml.Library(f'VERSION="{version}"')).path
        (new / nvml.LIBRARY).replace(self.library / nvml.LIBRARY)

    def load(self, version):
        """Load NVIDIA's driver."""
        self.answer('-', 'driver', version)
        self.write_answers()

    def wait_for_manager(self, version):
        name = 'CUSTOM_MDEV_FACT_MANAGERVERSION_' + version.replace('.', '_')
        self.wait_for(
            lambda: name in self.published()[1],
            f'nothing of {version} is published',
        )

    def collector(self):
        """Return the processes of the service: a parent and its worker."""
        tasks = pathlib.Path(f'/proc/{self.service.pid}/task')
        return [
            self.service.pid,
            *(
                int(child)
                for path in tasks.glob('*/children')
                for child in path.read_text().split()
            ),
        ]

    def children(self):
        """Return the processes that ask NVML, whoever is their parent."""
        found = []
        for path in pathlib.Path('/proc').glob('[0-9]*/environ'):
            try:
                text = path.read_text(errors='replace')
                command = path.with_name('cmdline').read_text()
            except OSError:
                continue  # it has ended
            if f'NVML_LOG={self.nvml_log}' in text and (
                'child_main' in command
            ):
                found.append(path)
        return found

    def test_driver_is_upgraded(self):
        """The same process publishes the version of the new library."""
        self.start_and_wait()
        self.wait_for_manager(self.OLD)
        before = self.collector()
        self.load(self.NEW)
        self.wait_for(
            lambda: (
                'have different versions' in (self.home / 'log').read_text()
            ),
            'the mismatch is not logged',
        )
        self.install(self.NEW)
        self.wait_for_manager(self.NEW)
        self.assertEqual(before, self.collector())

    def test_library_is_not_kept(self):
        """So the driver can be unloaded between two passes."""
        self.start_and_wait()
        self.wait_for_manager(self.OLD)
        processes = self.collector()
        self.assertEqual(2, len(processes))
        for pid in processes:
            self.assertNotIn(
                'nvidia-ml', pathlib.Path(f'/proc/{pid}/maps').read_text()
            )

    def test_service_ends(self):
        """It leaves no child behind that hangs, however it ends."""
        for with_signal in (signal.SIGKILL, signal.SIGTERM):
            with self.subTest(signal=with_signal):
                self.answer(FIRST, 'nvmlDeviceGetEccMode', 'hang')
                self.write_answers()
                self.start()
                self.wait_for(
                    lambda: self.calls()['nvmlDeviceGetEccMode', FIRST],
                    'NVML is not asked',
                )
                self.assertEqual(1, len(self.children()))
                self.end(self.service, with_signal)
                self.wait_for(lambda: not self.children(), 'it is still there')
