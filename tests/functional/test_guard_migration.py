# SPDX-License-Identifier: Apache-2.0
"""The late check: real libvirtd and QEMU, and "virsh migrate --live".

The machine has no mdevs: the guard finds a parent in a sysfs made from
../data/libvirt-11.3, and QEMU runs without the mdev (see hypervisors).
"""

import os

import ddt

from tests.functional import hypervisors
from tests.functional import hypervisors_base as base

LONG_AGO = 3600
TO_BOTH = {**base.TO_SAME_GPU, **base.TO_SAME_MTTY}


@ddt.ddt
class DecisionTest(base.MigrationTestCase):
    @ddt.data((), base.P2P)
    def test_accepted(self, options):
        self.publish(self.target, base.NEW)
        self.start_annotated(base.GPU)
        self.assert_runs(self.source)
        self.assert_moved(self.migrate(options=options))
        self.assertEqual([], self.target.logged())

    @ddt.data((), base.P2P)
    def test_refused(self, options):
        """virsh reports why; the guest keeps running."""
        self.publish(self.source, base.NEW)
        self.start_annotated(base.GPU)
        self.assert_refused(
            self.migrate(options=options),
            f'unexpected exit status 1: nova-mdev-guard: refused: domain '
            f'{self.name}: incompatible: mdev {base.SAME_GPU.uuid} on '
            'pci_0000_01_00_0 does not accept 1234:11e8 labgpu-1 driver=2.0 '
            "intree=no kernel=6.12.0 module=labgpu: rule 'up to our driver': "
            'driver 2.0 is not at most 1.5',
        )
        self.assert_logged('refused', 'driver 2.0 is not at most 1.5')

    def test_refused_until_accepted(self):
        """A new devices file counts at once."""
        self.publish(self.source, base.NEW)
        self.start_annotated(base.GPU)
        for _ in range(2):
            self.assert_refused(self.migrate())
        self.publish(self.target, base.NEW)
        self.assert_moved(self.migrate())

    @ddt.data(
        (base.OTHER_TYPE.uuid, 'does not serve type labgpu-1'),
        (
            base.OTHER_BOARD.uuid,
            "rule 'same product, type and driver "
            "version': device 1234:11e8 is not "
            '1b36:0005',
        ),
    )
    @ddt.unpack
    def test_other_device(self, uuid, reason):
        self.start_annotated(base.GPU)
        self.assert_refused(
            self.migrate({base.GPU.uuid: uuid}), f'mdev {uuid}', reason
        )

    def test_mtty(self):
        """Its parent has no PCI ids, and is not on a bus."""
        self.publish(self.source, base.OTHER_KERNEL)
        self.start_annotated(base.MTTY)
        self.assert_refused(
            self.migrate(base.TO_SAME_MTTY),
            f'mdev {base.SAME_MTTY.uuid} on mtty_mtty does not accept mtty '
            'mtty-1',
            'kernel 6.13.0 is not version 6.12.0',
        )
        self.publish(self.target, base.OTHER_KERNEL)
        self.assert_moved(self.migrate(base.TO_SAME_MTTY))

    def test_two_mdevs(self):
        """One mdev that is not accepted is enough."""
        self.start_annotated(base.MTTY, base.GPU)
        for gpu, mtty, why in (
            (base.OTHER_BOARD.uuid, base.SAME_MTTY.uuid, '1b36:0005'),
            (base.SAME_GPU.uuid, base.NOWHERE, base.NOWHERE),
        ):
            self.assert_refused(
                self.migrate({base.GPU.uuid: gpu, base.MTTY.uuid: mtty}), why
            )
        self.assert_moved(self.migrate(TO_BOTH))

    def test_no_mdevs(self):
        """The guard, which would refuse everything, is not called."""
        self.configure(self.target, mode='confused')
        self.start()
        self.assert_moved(self.migrate())
        self.assertEqual([], self.target.logged())

    def test_configuration(self):
        self.configure(self.target, mode='confused')
        self.start_annotated(base.GPU)
        self.assert_refused(
            self.migrate(),
            f'{self.name}: configuration: ',
            'mode',
            'guard.conf',
            'confused',
        )


@ddt.ddt
class PolicyTest(base.MigrationTestCase):
    def assert_unknown(self, *words, targets=base.TO_SAME_GPU):
        """It is refused; with unknown=allow, it moves."""
        self.assert_refused(
            self.migrate(targets),
            f'{self.name}: unknown ([guard]unknown = reject): ',
            *words,
        )
        self.assert_logged('refused', *words)
        self.configure(self.target, unknown='allow')
        self.assert_moved(self.migrate(targets))
        self.assert_logged(
            'let through: ', 'unknown ([guard]unknown = allow)', *words
        )

    def test_no_annotation(self):
        self.start(base.GPU)
        self.assert_unknown('is nova-mdev-annotator running on its host?')

    def test_incomplete_annotation(self):
        """The annotation lacks an mdev."""
        self.start(base.GPU, base.MTTY)
        self.annotate(base.GPU)
        self.assert_unknown(
            'has 2 mdevs, and names the sources of 1', targets=TO_BOTH
        )

    def test_no_devices_file(self):
        self.devices_file(self.target).unlink()
        self.start_annotated(base.GPU)
        self.assert_unknown('is not there: nova-mdev-collector has not run')

    def test_old_devices_file(self):
        self.publish(self.target, base.OLD, age=LONG_AGO)
        self.start_annotated(base.GPU)
        self.assert_unknown('seconds old ([collector]devices_max_age)')

    def test_truncated_devices_file(self):
        path = self.devices_file(self.target)
        path.write_text(path.read_text()[:-10])
        self.start_annotated(base.GPU)
        self.assert_unknown('is not JSON')

    def test_hanging(self):
        """The guard ends at its time limit."""
        path = self.devices_file(self.target)
        path.unlink()
        os.mkfifo(path)
        self.configure(self.target, time_limit=1)
        self.start_annotated(base.GPU)
        self.assert_refused(self.migrate(), 'has taken more than 1 seconds')
        path.unlink()
        self.publish(self.target, base.OLD)
        self.assert_moved(self.migrate())

    def test_permissive(self):
        self.publish(self.source, base.NEW)
        self.configure(self.target, mode='permissive')
        self.start_annotated(base.GPU)
        self.assert_moved(self.migrate())
        self.assert_logged(
            'let through: ', 'incompatible: ', 'driver 2.0 is not at most 1.5'
        )

    def test_log_is_full(self):
        """The answer does not wait for the log."""
        self.publish(self.source, base.NEW)
        self.start_annotated(base.GPU)
        self.target.fill_log()
        self.assert_refused(self.migrate(), 'driver 2.0 is not at most 1.5')
        self.configure(self.target, mode='permissive')
        self.assert_moved(self.migrate())

    def test_off(self):
        """As if the guard were not installed."""
        self.publish(self.source, base.NEW)
        self.configure(self.target, mode='off')
        self.start_annotated(base.GPU)
        self.assert_moved(self.migrate())
        self.assertEqual([], self.target.logged())


class InstallationTest(base.MigrationTestCase):
    """The guard refuses the domain."""

    def setUp(self):
        super().setUp()
        self.addCleanup(self.restart)
        self.publish(self.source, base.NEW)
        self.start_annotated(base.GPU)

    def restart(self, hooks=True, path=hypervisors.PATH):
        """Start libvirtd on the target again, with or without hooks."""
        self.target.kill()
        if hooks:
            self.target.install()
        else:
            self.target.uninstall()
        self.target.path = path
        self.target.start()

    def test_hook_deleted(self):
        """libvirt does not call it any more, and logs nothing."""
        self.target.uninstall()
        self.assert_moved(self.migrate())

    def test_first_hook(self):
        """libvirt checks at its start whether there are hooks."""
        self.restart(hooks=False)
        self.target.install()
        self.assert_moved(self.migrate())
        self.restart()
        self.assert_runs(self.target)
        self.destroy()
        self.name = next(base.names)
        self.start_annotated(base.GPU)
        self.assert_refused(self.migrate())

    def test_guard_missing(self):
        """The guard was uninstalled, but its hook was not."""
        self.restart(path=hypervisors.SYSTEM_PATH)
        self.assert_refused(
            self.migrate(),
            'unexpected exit status 127',
            'nova-mdev-guard: not found',
        )
