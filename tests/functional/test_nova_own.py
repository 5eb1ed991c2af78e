# SPDX-License-Identifier: Apache-2.0
"""Nova's own live-migration tests of mdevs, with filter and collectors."""

from nova.tests.functional.libvirt import test_vgpu
from testtools import matchers

from tests.functional import base


class WithCollectors(base.CollectorMixin):
    """A collector on every host, whose next cycle comes before a migration.

    The tests set the providers' traits as an operator would by hand, and
    thereby wipe ours.
    """

    def setUp(self):
        self.nova_conf = {}
        super().setUp()

    def start_compute(self, *args, **kwargs):
        name = super().start_compute(*args, **kwargs)
        self.nova_conf[name] = self.devices_section()
        return name

    def devices_section(self):
        """Return the mdev part of the nova.conf that Nova has just read."""
        devices = test_vgpu.CONF.devices
        lines = [
            '[devices]',
            'enabled_mdev_types = ' + ','.join(devices.enabled_mdev_types),
        ]
        for mdev_type in devices.enabled_mdev_types:
            group = f'mdev_{mdev_type}'
            addresses = test_vgpu.CONF[group].device_addresses
            lines += [
                f'[{group}]',
                f'device_addresses = {",".join(addresses)}',
            ]
        return '\n'.join(lines) + '\n'

    def _live_migrate(self, server, *args, **kwargs):
        for name, nova in self.nova_conf.items():
            self.run_collector(name, nova)
        result = super()._live_migrate(server, *args, **kwargs)
        self.assertIn('of 1 hosts accept it', self.stdlog.logger.output)
        return result


class EarlyRefusal:
    """Between the collectors and Nova's tests."""

    def test_live_migration_fails_due_to_non_supported_mdev_types(self):
        """The filter refuses before Nova's check on the target sees it.

        So the instance finds no valid host, as Nova's test expects, but the
        line that it then looks for in the log is never written.
        """
        test = super()
        self.assertRaises(
            matchers.MismatchError,
            test.test_live_migration_fails_due_to_non_supported_mdev_types,
        )
        self.assertIn('No host accepts', self.stdlog.logger.output)
        self.assertNotIn(
            'are not supported by this compute', self.stdlog.logger.output
        )


class LiveMigrationTests(
    WithCollectors, EarlyRefusal, test_vgpu.VGPULiveMigrationTests
):
    pass


class LiveMigrationTestsLMFailed(
    WithCollectors, EarlyRefusal, test_vgpu.VGPULiveMigrationTestsLMFailed
):
    pass


class PermissiveTests(WithCollectors, test_vgpu.VGPULiveMigrationTests):
    """All of them as they are: Nova's own check has the last word."""

    def setUp(self):
        super().setUp()
        self.flags(mode='permissive', group='mdev_compat')
