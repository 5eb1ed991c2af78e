# SPDX-License-Identifier: Apache-2.0
"""The guard in Nova's live migration, and Nova's handling of a refusal.

The filter is not enabled. Nova's fake of libvirt has no metadata and no hooks,
so the test adds both. test_guard_migration has the real ones.
"""

import time

from nova.tests.fixtures import libvirt as fakelibvirt

from nova_mdev_compat.core import identity
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.late_check import hook
from nova_mdev_compat.publication import devices_file
from tests.functional import base
from tests.functional import differences
from tests import hardware
from tests import mdev_tree

Board = hardware.Board
ERROR = (
    'Hook script execution failed: internal error: Child process '
    '(/etc/libvirt/hooks/qemu.d/nova-mdev-guard) unexpected exit status '
    '1: nova-mdev-guard: refused: '
)
MDEV = """
<device><path>/sys/devices/pci0000:80/{parent}/{uuid}</path>
<parent>{name}</parent>
<capability type='mdev'><type id='{type}'/></capability></device>
"""


class GuardMixin:
    """Annotates domains that migrate, and calls the guard as libvirt does.

    :ivar source: the device that the annotation names
    :ivar seen: domains that the guard was asked about
    """

    PARENT, TYPE = 'pci_0000_81_00_0', 'NVIDIA_11'

    def setUp(self):
        super().setUp()
        self.seen = []

    def accept(self, pattern):
        """Write the devices file of host2 with an accept pattern."""
        self.path = self.directory / 'devices.json'
        entry = devices_file.DeviceEntry(
            frozenset({'CUSTOM_MDEV_V1', f'CUSTOM_MDEV_TYPE_{self.TYPE}'}),
            {pattern: ('our rule',)},
        )
        devices_file.write(
            self.path,
            devices_file.DevicesFile(
                'host2', time.time(), {self.PARENT: entry}
            ),
        )

    def _migrate_stub(self, domain, destination, params, flags):
        """Call the hook as libvirt does; end or finish the migration."""
        text = self.annotated(params['destination_xml'])
        self.seen.append(domain_xml.parse(text))
        try:
            hook.look(self.guard_options(), text)
        except hook.Refused as exc:
            domain.fail_job()
            raise fakelibvirt.make_libvirtError(
                fakelibvirt.libvirtError, f'{ERROR}{exc}'
            ) from exc
        super()._migrate_stub(domain, destination, params, flags)

    def guard_options(self):
        path = self.directory / 'guard.conf'
        path.write_text(
            f'[collector]\ndevices_file = {self.path}\n'
            f'sysfs_root = {self.destination_sysfs()}\n'
        )
        conf, faults = hook.read_options([path])
        self.assertEqual([], faults)
        return conf

    def annotated(self, text):
        device = domain_xml.AnnotatedDevice(
            'of the source', self.source, self.source.framework
        )
        element = domain_xml.write_annotation([device])
        return text.replace(
            '<devices>', f'<metadata>{element}</metadata><devices>', 1
        ).encode()

    def assert_refused(self, *words):
        """The guest stays; only nova-compute's log has the reason."""
        gentle = differences.here('refusal-is-no-error')
        self.api.post_server_action(
            self.server['id'],
            {'os-migrateLive': {'host': None, 'block_migration': 'auto'}},
        )
        self._wait_for_migration_status(
            self.server, ['failed' if gentle else 'error']
        )
        self._wait_for_server_parameter(
            self.server,
            {
                'OS-EXT-STS:vm_state': 'active' if gentle else 'error',
                'OS-EXT-STS:task_state': None,
            },
        )
        self.assertEqual('host1', self.host_of(self.server))
        self.assertEqual(1, len(self.seen))
        for text in ('Live Migration failure: ' + ERROR, *words):
            self.assertIn(text, self.stdlog.logger.output)


class GuardNovaTest(GuardMixin, base.MdevCompatTestCase):
    WITH_FILTER = False

    def setUp(self):
        super().setUp()
        self.start_host('host1', Board(0))
        self.start_host('host2', Board(0))
        self.server = self.boot('host1')
        self.source = identity.Identity.of(
            '10DE_2235', 'nvidia-11', {'driver': '535.1'}
        )

    def mdevs(self):
        return self.computes['host2'].driver._get_mediated_devices()

    def destination_sysfs(self):
        """Return a sysfs with the mdevs that Nova has created on host2."""
        root = self.directory / f'sysfs-{len(self.seen)}'
        for mdev in self.mdevs():
            mdev_tree.add(
                root,
                MDEV.format(
                    parent='0000:81:00.0',
                    uuid=mdev['uuid'],
                    name=mdev['parent'],
                    type=mdev['type'],
                ),
            )
        return str(root)

    def test_accepted(self):
        """The domain arrives with the mdevs created for it there."""
        self.accept('CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_11')
        self.assertEqual('host2', self.migrate(self.server))
        (domain,) = self.seen
        self.assertEqual(
            list(domain.uuids), [mdev['uuid'] for mdev in self.mdevs()]
        )

    def test_refused(self):
        self.accept('CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_11__DRIVER_GE_550')
        before = self.devices_of(self.server)
        self.assert_refused(
            "rule 'our rule': driver 535.1 is not at least 550"
        )
        self.assertEqual(before, self.devices_of(self.server))
