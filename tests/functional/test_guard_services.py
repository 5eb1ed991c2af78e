# SPDX-License-Identifier: Apache-2.0
"""The guard with the real annotator and collector on both hosts.

As in test_guard_migration, libvirtd, QEMU and migrations are real, too.
"""

import concurrent.futures
import functools

import libvirt

from nova_mdev_compat.common import files
from nova_mdev_compat.late_check import domain_xml
from tests.functional import hypervisors
from tests.functional import hypervisors_base as base
from tests import waiting

STARTS = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP]
ARRIVES = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION]
NEWER_NAME = 'newer drivers alone'
NEWER = f"""
schema_version: "1.0"
vendor: "1234"
rules:
  - name: {NEWER_NAME}
    accepts:
      facts: {{driver: {{at_least: "2"}}}}
"""


class AnnotatorTest(base.MigrationTestCase):
    """Only nova-mdev-annotator, on both hosts, writes annotations."""

    def setUp(self):
        super().setUp()
        self.publish(self.target, base.NEW)
        for host in self.hosts.hosts:
            self.configure(host)
            self.service(host, 'nova-mdev-annotator')

    def test_there_and_back(self):
        self.start(base.GPU)
        self.wait_for_annotation(self.source, base.GPU)
        self.assert_moved(self.migrate())
        self.wait_for_annotation(self.target, base.SAME_GPU)
        # Its annotation names the other host's parent now.
        done = self.migrate({base.SAME_GPU.uuid: base.GPU.uuid}, back=True)
        self.assertIn('driver 2.0 is not at most 1.5', done.stderr)
        self.assert_runs(self.target)

    def meanwhile(self, do):
        """Start a function; return what waits for its end."""
        pool = concurrent.futures.ThreadPoolExecutor()
        self.addCleanup(pool.shutdown)
        return functools.partial(pool.submit(do).result, waiting.DEADLINE)

    def state(self, host):
        with host.open() as connection:
            return [
                domain.state()
                for domain in connection.listAllDomains(
                    libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE
                )
            ]

    def assert_busy(self, host, state):
        """The annotator finds the domain busy, and logs no error."""
        waiting.wait_for(
            lambda: self.state(host) == [state],
            lambda: f'{self.state(host)} is not {state}',
        )
        log = self.log(host, 'nova-mdev-annotator')

        def passes():
            return log.read_text().count(f'again soon: {self.name}')

        before = passes()
        host.define()
        waiting.wait_for(lambda: passes() > before, 'it is not busy')
        self.assertNotIn('ERROR', log.read_text())

    def test_arriving(self):
        """QEMU starts, and then waits for the source."""
        self.start(base.GPU)
        self.wait_for_annotation(self.source, base.GPU)
        with self.hosts.starting():
            end = self.meanwhile(self.migrate)
            self.assert_busy(self.target, STARTS)
            self.signal(self.source, 'STOP')
        self.assert_busy(self.target, ARRIVES)
        self.signal(self.source, 'CONT')
        self.assert_moved(end())
        self.wait_for_annotation(self.target, base.SAME_GPU)
        self.assertNotIn(
            'ERROR', self.log(self.target, 'nova-mdev-annotator').read_text()
        )

    def test_starting(self):
        """libvirt reports no job before QEMU has started."""
        with self.hosts.starting():
            end = self.meanwhile(lambda: self.start(base.GPU))
            self.assert_busy(self.source, STARTS)
        end()
        self.wait_for_annotation(self.source, base.GPU)

    def test_detached(self):
        """The annotation is removed with the last mdev."""
        self.start(base.GPU, base.MTTY)
        self.wait_for_annotation(self.source, base.GPU, base.MTTY)
        for mdev, left in ((base.GPU, [base.MTTY]), (base.MTTY, [])):
            self.detach(self.source, mdev)
            self.wait_for_annotation(self.source, *left)

    def detach(self, host, mdev):
        path = self.home / 'mdev.xml'
        path.write_text(hypervisors.HOSTDEV.format(mdev.uuid))
        self.succeed(
            host.virsh('detach-device', '--live', self.name, str(path))
        )

    def test_libvirtd_restarted(self):
        """It connects to the new one, and catches up."""
        self.start(base.GPU)
        self.wait_for_annotation(self.source, base.GPU)
        self.source.kill()
        self.source.start()
        self.source.annotate(self.name, domain_xml.write_annotation([]))
        self.wait_for_annotation(self.source, base.GPU)
        self.assert_moved(self.migrate(options=base.P2P))
        self.wait_for_annotation(self.target, base.SAME_GPU)


class WholeTest(base.MigrationTestCase):
    """Collector, annotator and guard on both hosts."""

    def setUp(self):
        super().setUp()
        for host in self.hosts.hosts:
            self.devices_file(host).unlink()
            host.configure(**self.groups(host))
            self.write_rules(host, base.RULES)
            self.service(host, 'nova-mdev-collector')
            waiting.wait_for(self.devices_file(host).exists, 'no devices file')
            self.service(host, 'nova-mdev-annotator')

    def groups(self, host):
        home = self.home / host.address
        (home / 'rules.d').mkdir(parents=True)
        return {
            'annotator': {'interval': 3600},
            'collector': {
                'libvirt_uri': host.uri('libvirt-sock'),
                'interval': 1,
                'hypervisor_hostname': host.address,
                'rules_dirs': home / 'rules.d',
                'devices_file': self.devices_file(host),
                'state_file': home / 'state.json',
                'publisher': 'provider_config',
                'provider_config_file': home / 'provider.yaml',
            },
            'devices': {'enabled_mdev_types': base.GPU.type},
        }

    def write_rules(self, host, text):
        files.replace(self.home / host.address / 'rules.d/labgpu.yaml', text)

    def test_moved(self):
        self.start(base.GPU)
        self.wait_for_annotation(self.source, base.GPU)
        self.write_rules(self.target, NEWER)
        self.collected(NEWER_NAME)
        self.assert_refused(
            self.migrate(),
            f'rule {NEWER_NAME!r}: driver '
            f'{hypervisors.DRIVER} is not at least 2',
        )
        self.write_rules(self.target, base.RULES)
        self.collected('up to our driver')
        self.assert_moved(self.migrate())
        self.wait_for_annotation(self.target, base.SAME_GPU)

    def collected(self, rule):
        """Wait until the target's collector has applied a rule."""
        waiting.wait_for(
            lambda: f'"{rule}"' in self.devices_file(self.target).read_text(),
            'the rule is not applied',
        )
