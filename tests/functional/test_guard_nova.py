# SPDX-License-Identifier: Apache-2.0
"""What the guard sees of Nova's live migration, and Nova of its answer.

The filter is not enabled here. Nova's fake of libvirt keeps no metadata and
calls no hook; both are done in the place where libvirt would. The real ones
are in test_guard_migration.
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


class GuardNovaTest(base.MdevCompatTestCase):
    WITH_FILTER = False

    def setUp(self):
        super().setUp()
        self.start_host('host1', Board(0))
        self.start_host('host2', Board(0))
        self.server = self.boot('host1')
        self.source = identity.Identity.of(
            '10DE_2235', 'nvidia-11', {'driver': '535.1'}
        )
        self.seen = []

    def accept(self, pattern):
        """Leave word on host2 of what its board accepts."""
        self.path = self.directory / 'devices.json'
        devices_file.write(
            self.path,
            devices_file.DevicesFile(
                'host2',
                time.time(),
                {
                    'pci_0000_81_00_0': devices_file.DeviceEntry(
                        frozenset(
                            {'CUSTOM_MDEV_V1', 'CUSTOM_MDEV_TYPE_NVIDIA_11'}
                        ),
                        {pattern: ('our rule',)},
                    )
                },
            ),
        )

    def _migrate_stub(self, domain, destination, params, flags):
        """Do as libvirt: ask the hook, and end the migration or finish it."""
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
            f'sysfs_root = {self.sysfs()}\n'
        )
        conf, faults = hook.read_options([path])
        self.assertEqual([], faults)
        return conf

    def annotated(self, text):
        mdevs = [domain_xml.AnnotatedMdev('of the source', self.source)]
        return text.replace(
            '<devices>',
            (
                f'<metadata>{domain_xml.write_annotation(mdevs)}</metadata><devices>'
            ),
            1,
        ).encode()

    def sysfs(self):
        """Return a sysfs with the mdevs that Nova has made on host2."""
        root = self.directory / f'sysfs-{len(self.seen)}'
        for mdev in self.computes['host2'].driver._get_mediated_devices():
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
        """The domain comes with the mdevs that were made for it there."""
        self.accept('CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_11')
        self.assertEqual('host2', self.migrate(self.server))
        (domain,) = self.seen
        self.assertEqual(
            list(domain.uuids),
            [
                mdev['uuid']
                for mdev in self.computes[
                    'host2'
                ].driver._get_mediated_devices()
            ],
        )

    def test_refused(self):
        """The guest stays; the reason is in nova-compute's log alone."""
        self.accept('CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_11__DRIVER_GE_550')
        before = self.devices_of(self.server)
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
        self.assertEqual(before, self.devices_of(self.server))
        self.assertEqual(1, len(self.seen))
        self.assertIn(
            'Live Migration failure: ' + ERROR, self.stdlog.logger.output
        )
        self.assertIn(
            "rule 'our rule': driver 535.1 is not at least 550",
            self.stdlog.logger.output,
        )
