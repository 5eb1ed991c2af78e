# SPDX-License-Identifier: Apache-2.0
"""Domains with mdevs, migrated with virsh between two hypervisors.

The mdevs are not real (see hypervisors). The guests have no operating system.
Their BIOS counts the ticks of its clock, which shows that they run.
"""

import itertools
import pathlib
import time

import fixtures
import libvirt
import testtools
from testtools import content

from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file
from nova_mdev_compat.rules import loader
from tests.functional import hypervisors
from tests.functional import hypervisors_mdevs
from tests.unit import samples
from tests import waiting

#: Address where a PC's BIOS counts 18 ticks a second.
TICKS = '0x46c'
#: On the source.
GPU = hypervisors_mdevs.mdev(
    '0000_01_00_0', '11111111-1111-4111-8111-111111111111'
)
MTTY = hypervisors_mdevs.mdev('mtty', '33333333-3333-4333-8333-333333333333')
#: On the target, which has the same two and others.
SAME_GPU = hypervisors_mdevs.mdev(
    '0000_01_00_0', GPU.uuid, 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa'
)
SAME_MTTY = hypervisors_mdevs.mdev(
    'mtty', MTTY.uuid, 'cccccccc-cccc-4ccc-8ccc-cccccccccccc'
)
OTHER_TYPE = hypervisors_mdevs.mdev(
    '0000_02_00_0', '22222222-2222-4222-8222-222222222222'
)
OTHER_BOARD = hypervisors_mdevs.mdev(
    '0000_03_00_0', '44444444-4444-4444-8444-444444444444'
)
NOWHERE = 'dddddddd-dddd-4ddd-8ddd-dddddddddddd'
RULES = """
schema_version: "1.0"
vendor: "1234"
rules:
  - name: up to our driver
    accepts:
      product: same
      type: same
      facts: {driver: {at_least: "1", at_most: same}}
"""
#: Facts of a host. By the rules above, and the shipped ones for mtty, OLD and
#: NEW accept OLD, and only OTHER_KERNEL accepts OTHER_KERNEL.
OLD = {'driver': '1.5', 'intree': 'no', 'kernel': '6.12.0', 'module': 'labgpu'}
NEW = {**OLD, 'driver': '2.0'}
OTHER_KERNEL = {**OLD, 'driver': '0.5', 'kernel': '6.13.0'}

#: UUIDs of new mdevs by those of old ones.
TO_SAME_GPU = {GPU.uuid: SAME_GPU.uuid}
TO_SAME_MTTY = {MTTY.uuid: SAME_MTTY.uuid}
P2P = ('--p2p',)

names = (f'guest-{number}' for number in itertools.count(1))


class MigrationTestCase(testtools.TestCase):
    """Two hosts for all its tests: they take a while to start."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hosts = cls.enterClassContext(
            hypervisors.Hypervisors(
                [GPU, MTTY], [SAME_GPU, SAME_MTTY, OTHER_TYPE, OTHER_BOARD]
            )
        )
        cls.source, cls.target = cls.hosts.source, cls.hosts.target

    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.home / 'labgpu.yaml').write_text(RULES)
        self.rules = loader.load([str(samples.SHIPPED_RULES), str(self.home)])
        self.name = next(names)
        self.addCleanup(self.destroy)
        for host in self.hosts.hosts:
            self.addOnException(
                lambda _, host=host: self.addDetail(
                    f'libvirtd.log of {host.address}', host.libvirtd_log()
                )
            )
            host.logged()
            self.configure(host)
            host.install()
            self.publish(host, OLD)

    def destroy(self):
        for host in self.hosts.hosts:
            with host.open() as connection:
                for domain in connection.listAllDomains():
                    self._destroy(domain)

    def _destroy(self, domain):
        try:
            domain.destroy()
        except libvirt.libvirtError as exc:
            # A libvirtd that has just started may notice its end first.
            if exc.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise

    def configure(self, host, **guard):
        # With this interval, the annotator acts on events alone.
        host.configure(
            guard=guard,
            annotator={'interval': 3600},
            collector={
                'libvirt_uri': host.uri('libvirt-sock'),
                'devices_file': self.devices_file(host),
            },
        )

    def devices_file(self, host):
        return self.home / f'devices-{host.address}.json'

    def publish(self, host, facts, age=0):
        """Write a host's devices file, as the collector does.

        :param age: in seconds
        """
        found = hypervisors_mdevs.devices_found(
            host.address, host.mdevs, self.rules, facts, time.time() - age
        )
        devices_file.write(self.devices_file(host), found)

    def start(self, *mdevs):
        """Start a domain on the source."""
        path = self.home / 'domain.xml'
        path.write_text(
            self.hosts.domain(self.name, [mdev.uuid for mdev in mdevs])
        )
        self.succeed(self.source.virsh('create', str(path)))

    def annotate(self, *mdevs):
        """Annotate the domain with these mdevs, as the annotator does."""
        self.source.annotate(
            self.name,
            domain_xml.write_annotation(self.annotated(self.source, mdevs)),
        )

    def annotated(self, host, mdevs):
        """Return mdevs with identities from a host's devices file."""
        devices = devices_file.read(self.devices_file(host))
        return tuple(
            domain_xml.AnnotatedDevice(
                mdev.uuid, hypervisors_mdevs.identity_of(devices, mdev)
            )
            for mdev in mdevs
        )

    def service(self, host, command):
        """Start one of our services there; it ends with the test."""
        log = self.log(host, command)
        self.addOnException(
            lambda _: self.addDetail(
                log.name, content.content_from_file(log, buffer_now=True)
            )
        )
        self.addCleanup(
            host.service(log, command, '--config-dir', '/etc/nova-mdev-compat')
        )

    def log(self, host, command):
        """Return where one of our services logs."""
        return self.home / f'{command}-{host.address}.log'

    def wait_for_annotation(self, host, *mdevs):
        """Wait until the domain has the annotation for these mdevs there."""
        expected = self.annotated(host, mdevs) or None

        def right():
            with host.open() as connection:
                text = connection.lookupByName(self.name).XMLDesc()
            return domain_xml.parse(text.encode()).annotated == expected

        waiting.wait_for(right, f'its annotation is not {expected}')

    def start_annotated(self, *mdevs):
        self.start(*mdevs)
        self.annotate(*mdevs)

    def migrate(self, targets=TO_SAME_GPU, options=(), *, back=False):
        """Migrate it; return virsh's completed process.

        Its XML is changed as Nova does it (_update_mdev_xml of
        nova/virt/libvirt/migration.py).

        :param targets: UUIDs of its new mdevs by those of its old ones
        :param back: from the target to the source
        """
        here, there = self.hosts.hosts[:: -1 if back else 1]
        text = self.succeed(here.virsh('dumpxml', '--migratable', self.name))
        for uuid, new in targets.items():
            text = text.replace(
                f"<address uuid='{uuid}'/>", f"<address uuid='{new}'/>"
            )
        path = self.home / 'target.xml'
        path.write_text(text)
        return here.virsh(
            *('migrate', '--live', *options, '--xml', str(path)),
            *('--migrateuri', f'tcp://{there.address}'),
            *(self.name, there.uri('libvirt-sock')),
        )

    def succeed(self, done):
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        return done.stdout

    def domains(self, host):
        """Return the names of all domains, running or not."""
        with host.open() as connection:
            return [domain.name() for domain in connection.listAllDomains()]

    def processes(self, host):
        """Return how many processes of this guest there are."""
        return host.run('ps', '-eo', 'args').count(f'guest={self.name},')

    def signal(self, host, name):
        """Send the guest's QEMU a signal, by name without SIG."""
        (pid,) = (
            line.split()[0]
            for line in host.run('ps', '-eo', 'pid,args').splitlines()
            if f'guest={self.name},' in line
        )
        host.run('kill', f'-{name}', pid)

    def assert_runs(self, host):
        """The guest is there, and its clock runs."""
        self.assertEqual([self.name], self.domains(host))
        self.assertEqual(1, self.processes(host))
        before = self.ticks(host)
        waiting.wait_for(
            lambda: self.ticks(host) != before, 'the guest does not run'
        )

    def ticks(self, host):
        # "000000000000046c: 0x0010c5fd"
        return self.succeed(
            host.virsh(
                'qemu-monitor-command', '--hmp', self.name, f'xp /1wx {TICKS}'
            )
        ).split()[1]

    def assert_moved(self, done):
        self.succeed(done)
        self.assertEqual([], self.domains(self.source))
        self.assertEqual(0, self.processes(self.source))
        self.assert_runs(self.target)

    def assert_refused(self, done, *words):
        """virsh reports why, and nothing has changed on either host."""
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertEqual('', done.stdout)
        for word in (f'nova-mdev-guard {self.name} migrate begin', *words):
            self.assertIn(word, done.stderr)
        self.assert_runs(self.source)
        self.assertEqual([], self.domains(self.target))
        self.assertEqual(0, self.processes(self.target))
        places = ('/var/log/libvirt', '/run/libvirt')
        self.assertEqual(
            '', self.target.run('find', *places, '-name', f'*{self.name}*')
        )

    def assert_logged(self, *words):
        """Only the target's guard has logged, and one line."""
        self.assertEqual([], self.source.logged())
        (line,) = self.target.logged()
        for word in ('nova-mdev-guard', f'domain {self.name}: ', *words):
            self.assertIn(word, line)
