# SPDX-License-Identifier: Apache-2.0
"""The real command, with libvirt's test driver and a real Placement."""

import pathlib
import subprocess
import textwrap

import fixtures
import testtools

from tests.functional import commands
from tests.functional import placement_server
from tests import waiting

COMMAND = commands.path('nova-mdev-collector')
#: The mild default alone: the boards in these tests have no NVIDIA driver that
#: knows about ECC.
RULES = pathlib.Path(__file__).parents[1] / 'data/rules/mild'

DEVICE = """
<device>
  <name>pci_0000_81_{slot:02x}_{function}</name>
  <path>/sys/devices/pci0000:80/0000:81:{slot:02x}.{function}</path>
  <parent>computer</parent>
  <capability type='pci'>
    <domain>0</domain><bus>129</bus><slot>{slot}</slot>
    <function>{function}</function>
    <product id='0x{product}'/><vendor id='0x{vendor}'/>
    <capability type='mdev_types'>{types}</capability>
  </capability>
</device>
"""
TYPE = """
<type id='{}'><deviceAPI>{}</deviceAPI>
<availableInstances>4</availableInstances></type>
"""


def device(
    slot,
    types=('nvidia-11',),
    product='2235',
    vendor='10de',
    api='vfio-pci',
    function=0,
):
    """Return node-device XML of a board at 0000:81:<slot>.<function>."""
    return DEVICE.format(
        slot=slot,
        product=product,
        vendor=vendor,
        function=function,
        types=''.join(TYPE.format(name, api) for name in types),
    )


class CollectorTestCase(testtools.TestCase):
    """One host, ``host1``, with two boards unless a test changes that."""

    def setUp(self):
        super().setUp()
        self.placement = self.useFixture(placement_server.PlacementServer())
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name in ('sys', 'rules.d'):
            (self.home / name).mkdir()
        self.options = {
            'libvirt_uri': f'test://{self.home}/node.xml',
            'sysfs_root': f'{self.home}/sys',
            'hypervisor_hostname': 'host1',
            'state_file': f'{self.home}/state.json',
            'devices_file': f'{self.home}/devices.json',
            'rules_dirs': f'{RULES},{self.home}/rules.d',
        }
        # Not this machine's own, where Nova may have a compute_id.
        self.nova = (
            f'[DEFAULT]\nstate_path = {self.home}/state\n'
            '[devices]\nenabled_mdev_types = nvidia-11\n'
        )
        self.devices(device(0), device(1))
        self.root = self.placement.create_provider('host1')
        self.boards = [self.provider(slot) for slot in (0, 1)]

    def provider(self, slot, function=0):
        """Create a board's provider as Nova does."""
        return self.placement.create_provider(
            f'host1_pci_0000_81_{slot:02x}_{function}', self.root
        )

    def devices(self, *xml):
        """Let libvirt have these devices."""
        (self.home / 'node.xml').write_text(f'<node>{"".join(xml)}</node>')

    def write_rules(self, text, name='nvidia.yaml'):
        (self.home / 'rules.d' / name).write_text(textwrap.dedent(text))

    def write_config(self):
        """Write the configuration; return the arguments that name it."""
        own = self.home / 'collector.conf'
        lines = [f'{key} = {value}\n' for key, value in self.options.items()]
        own.write_text(f'[collector]\n{"".join(lines)}')
        nova = self.home / 'nova.conf'
        nova.write_text(
            '[placement]\nauth_type = admin_token\ntoken = admin\n'
            f'endpoint = {self.placement.endpoint}\n' + self.nova
        )
        return ['--config-file', nova, '--config-file', own]

    def run_collector(self, *args, status=0, **kwargs):
        """Run the command; return its output and its log.

        :param status: the exit status that it must have
        :param kwargs: for subprocess.run
        """
        done = subprocess.run(
            [COMMAND, *self.write_config(), *args],
            capture_output=True,
            text=True,
            timeout=waiting.DEADLINE,
            check=False,
            **kwargs,
        )
        self.assertEqual(status, done.returncode, done.stderr)
        self.assertNotIn('Traceback', done.stderr)
        return done.stdout, done.stderr

    def published(self):
        """Return the traits of the root and the boards."""
        return [
            self.placement.traits(uuid) for uuid in (self.root, *self.boards)
        ]
