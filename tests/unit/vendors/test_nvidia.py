# SPDX-License-Identifier: Apache-2.0
"""What the plugin for NVIDIA's boards does without their library.

The rest is in tests/functional/test_nvidia.py.
"""

import pathlib
import sys

import fixtures
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import child
from nova_mdev_compat.vendors import manager
from nova_mdev_compat.vendors import nvidia
from nova_mdev_compat.vendors import nvml
from tests.unit import vendors

FIRST, SECOND, THIRD = [f'0000:84:0{slot}.0' for slot in range(3)]
NO_BINDINGS = 'raise ImportError'
#: A pynvml from before the functions that boards are asked with. It has
#: nothing but what nova_mdev_compat needs to find that out, and says what is
#: called on a file.
OLD_BINDINGS = """
class NVMLError(Exception):
    value = 999

def nvmlInit():
    note('init')

def nvmlShutdown():
    note('shutdown')

def nvmlDeviceGetHandleByPciBusId(board):
    return board

def note(call):
    with open({path!r}, 'a') as calls:
        calls.write(call + ' ')
"""


def device(name='pci_0000_84_00_4', address='0000:84:00.4', board=FIRST):
    return base.Device(
        name=name,
        parent_id='10DE_2235',
        address=address,
        board=board,
        types=frozenset({'nvidia-558'}),
    )


class PluginTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        # Before where the real ones are.
        self.useFixture(
            fixtures.MonkeyPatch('sys.path', [str(self.home), *sys.path])
        )
        self.calls = self.home / 'calls'
        self.calls.touch()
        self.plugin = nvidia.Nvidia(vendors.config(self))

    def bindings(self, text):
        """Say what "import pynvml" finds."""
        (self.home / 'pynvml.py').write_text(text.format(path=str(self.calls)))

    def unknown(self, *devices):
        """Return why facts are unknown; nothing is known of devices."""
        facts = self.plugin.facts(devices)
        self.assertEqual({each.name for each in devices}, set(facts))
        for found in facts.values():
            self.assertEqual({}, found.values)
            self.assertEqual(set(nvidia.Nvidia.fact_names), set(found.unknown))
        return {
            why for found in facts.values() for why in found.unknown.values()
        }


class PluginTest(PluginTestCase):
    def test_loads(self):
        """It keeps the contract, library or not."""
        self.bindings(NO_BINDINGS)
        classes = manager.check({'nvidia': nvidia.Nvidia})
        self.assertEqual({'nvidia': nvidia.Nvidia}, dict(classes))
        self.assertEqual({'10DE': 'nvidia'}, manager.by_vendor(classes))

    def test_versions(self):
        """The other facts are tokens."""
        self.assertEqual(
            {
                'gspversion',
                'managerversion',
                'minvgpuversion',
                'maxvgpuversion',
            },
            set(filter(identity.is_version_fact, nvidia.Nvidia.fact_names)),
        )

    def test_every_fact_has_a_question(self):
        asked = [name for names in nvml.QUERIES.values() for name in names]
        self.assertEqual(sorted(nvidia.Nvidia.fact_names), sorted(asked))


class WithoutLibraryTest(PluginTestCase):
    def test_no_bindings(self):
        self.bindings(NO_BINDINGS)
        self.assertEqual(
            {
                'nvidia-ml-py is not installed: '
                "pip install 'nova-mdev-compat[nvidia]'"
            },
            self.unknown(device(), device('pci_0000_84_00_5')),
        )

    def test_old_bindings(self):
        """They are closed again all the same."""
        self.bindings(OLD_BINDINGS)
        (why,) = {
            text.partition('it has no ')[0] for text in self.unknown(device())
        }
        self.assertEqual('nvidia-ml-py is too old: ', why)
        self.assertEqual('init shutdown ', self.calls.read_text())

    def test_no_pci_device(self):
        """Nothing is opened for it."""
        self.bindings(OLD_BINDINGS)
        (why,) = self.unknown(device(address=None, board=None))
        self.assertIn('not a PCI device', why)
        self.assertEqual('', self.calls.read_text())

    def test_bugs_are_not_hidden(self):
        self.bindings(
            OLD_BINDINGS
            + """
def nvmlDeviceGetHandleByPciBusId(board):
    return (1).nothing
"""
        )
        (failure,) = self.plugin.facts([device()]).values()
        self.assertIsInstance(failure, nvml.NvmlError)
        self.assertIn(
            f'NVML, asked about {FIRST}: the process ended with status 1; it '
            "printed: AttributeError: 'int' object has no attribute 'nothing'",
            str(failure),
        )


class AnswersTest(PluginTestCase):
    """What becomes of a child's answers, whatever they are."""

    def setUp(self):
        super().setUp()
        self.asked = []
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_mdev_compat.vendors.child.Child.ask', self.ask
            )
        )

    def ask(self, _child, boards):
        self.asked.append(boards)
        return self.answers

    def read(self, *items, trouble=None):
        """Return answers about three boards, by board; failures as texts."""
        self.answers = child.Answers(items, trouble)
        found = self.plugin.facts(
            [device(board, board, board) for board in (SECOND, FIRST, THIRD)]
        )
        return {
            board: str(facts) if isinstance(facts, nvml.NvmlError) else facts
            for board, facts in found.items()
        }

    def known(self, board, **values):
        return {'board': board, 'values': values, 'unknown': {}}

    def test_each_for_itself(self):
        self.assertEqual(
            {
                FIRST: base.Facts({'ecc': 'on'}),
                SECOND: 'no board',
                THIRD: base.Facts({}, {'ecc': 'no driver'}),
            },
            self.read(
                self.known(FIRST, ecc='on'),
                {'board': SECOND, 'failure': 'no board'},
                self.known(THIRD) | {'unknown': {'ecc': 'no driver'}},
            ),
        )

    def test_what_is_no_answer_is_missing(self):
        for item in (
            None,
            [],
            'ecc',
            5,
            {},
            {'board': SECOND},
            {'board': SECOND, 'values': {}},
            {'board': SECOND, 'values': [], 'unknown': {}},
            {'board': SECOND, 'values': {'ecc': 1}, 'unknown': {}},
            {'board': SECOND, 'failure': None},
            {'board': None, 'failure': 'no board'},
            {'board': [SECOND], 'failure': 'no board'},
        ):
            found = self.read(self.known(FIRST), item, self.known(THIRD))
            self.assertIn(
                f'NVML, asked about {SECOND}: the answer is missing',
                found.pop(SECOND),
            )
            self.assertEqual({FIRST: base.Facts(), THIRD: base.Facts()}, found)

    def test_a_board_that_nobody_asked_for(self):
        self.assertEqual(
            {FIRST, SECOND, THIRD}, set(self.read(self.known('0000:01:00.0')))
        )

    def test_trouble_after_the_last_answer(self):
        boards = (FIRST, SECOND, THIRD)
        self.assertEqual(
            dict.fromkeys(boards, base.Facts()),
            self.read(*map(self.known, boards), trouble='was terminated'),
        )

    def test_failed_boards_come_last(self):
        """So that the others are read."""
        trouble = 'was terminated by SIGSEGV'
        text = (
            'NVML, asked about {}: the process was terminated by SIGSEGV; see '
            'nvidia-smi and the kernel log (Xid)'
        ).format
        for board in (FIRST, SECOND):
            self.assertEqual(
                dict.fromkeys([FIRST, SECOND, THIRD], text(board)),
                self.read(trouble=trouble),
            )
        self.assertEqual(
            {FIRST: text(FIRST), SECOND: text(FIRST), THIRD: base.Facts()},
            self.read(self.known(THIRD), trouble=trouble),
        )
        self.read(self.known(THIRD), self.known(FIRST), trouble=trouble)
        self.read()
        self.assertEqual(
            [
                [FIRST, SECOND, THIRD],
                [SECOND, THIRD, FIRST],
                [THIRD, FIRST, SECOND],
                [THIRD, FIRST, SECOND],
                [FIRST, THIRD, SECOND],
            ],
            self.asked,
        )
