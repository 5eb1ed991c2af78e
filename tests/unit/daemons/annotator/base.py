# SPDX-License-Identifier: Apache-2.0
"""A host with mdevs, on libvirt's own test driver in this process.

The driver's domains can have mdevs and metadata, live and defined. It keeps
them as long as a connection is open. It cannot unplug an mdev, and has no jobs.
"""

import contextlib
import pathlib
import time
import uuid

import fixtures
import libvirt
from oslo_config import cfg
import testtools

from nova_mdev_compat.conf import annotator as annotator_options
from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat.core import identity as ident
from nova_mdev_compat.core import traits
from nova_mdev_compat.daemons import annotator
from nova_mdev_compat.host import node_devices
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file
from tests import mdev_tree

URI = 'test:///default'
FACTS = {'driver': '535.54.03', 'ecc': 'on'}

NOVA_URI = 'http://openstack.org/xmlns/libvirt/nova/1.1'
NOVA = (
    f'<nova:instance xmlns:nova="{NOVA_URI}">\n'
    '      <nova:name>a &lt;tenant&gt; \'s "name"</nova:name>\n'
    '    </nova:instance>'
)
DOMAIN = """
<domain type='test'><name>{name}</name><uuid>{uuid}</uuid>
<metadata>{metadata}</metadata><memory>65536</memory>
<os><type>hvm</type></os><devices>{mdevs}</devices></domain>
"""
MDEV = """
<hostdev mode='subsystem' type='mdev' model='vfio-pci'>
<source><address uuid='{}'/></source></hostdev>
"""
PCI = """
<hostdev mode='subsystem' type='pci' managed='no'><source><address
domain='0x0000' bus='0x81' slot='0x00' function='0x{}'/></source></hostdev>
"""


def device(identity, *more):
    """Return a device as the collector writes it.

    :param more: traits
    """
    facts = {traits.encode_fact(*fact) for fact in identity.facts}
    parent, served = (
        traits.PARENT + identity.parent,
        traits.TYPE + identity.type,
    )
    return devices_file.DeviceEntry(
        frozenset({traits.SCHEMA, parent, served, *facts, *more}), {}
    )


class AnnotatorTestCase(testtools.TestCase):
    """A host with two mdevs on two parents, and without domains.

    :ivar writes: names of the domains whose metadata was set
    """

    def setUp(self):
        super().setUp()
        node_devices.quiet()
        self.connection = libvirt.open(URI)
        self.addCleanup(self.connection.close)
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.home / 'sys').mkdir()
        found = [self.mdev(number) for number in ('11111111', '22222222')]
        self.uuids = [uuid for uuid, *_ in found]
        self.identities = [
            ident.Identity.of(f'10DE_223{number}', mdev_type, FACTS)
            for number, (_, _, mdev_type) in enumerate(found)
        ]
        self.known = {
            parent: device(identity)
            for (_, parent, _), identity in zip(
                found, self.identities, strict=True
            )
        }
        self.write_devices_file()
        self.conf = self.configure()
        self.annotator = annotator.Annotator(self.conf.collector)
        self.writes = []
        real = libvirt.virDomain.setMetadata

        def note(domain, *args):
            self.writes.append(domain.name())
            return real(domain, *args)

        self.patch(libvirt.virDomain, 'setMetadata', note)

    def mdev(self, number):
        return mdev_tree.add(self.home / 'sys', mdev_tree.capture(number))

    def write_devices_file(self, age=0):
        """Write the devices file, as the collector does."""
        devices_file.write(
            self.home / 'devices.json',
            devices_file.DevicesFile('host1', time.time() - age, self.known),
        )

    def configure(self, **options):
        conf = cfg.ConfigOpts()
        annotator_options.register_opts(conf)
        collector_options.register_opts(conf)
        conf([], default_config_files=[], default_config_dirs=[])
        options = {
            'libvirt_uri': URI,
            'sysfs_root': str(self.home / 'sys'),
            'devices_file': str(self.home / 'devices.json'),
            **options,
        }
        for name, value in options.items():
            conf.set_override(name, value, group='collector')
            # Option objects are shared, and keep their overrides.
            self.addCleanup(conf.clear_override, name, group='collector')
        return conf

    def domain(
        self,
        name='vm',
        uuids=None,
        metadata='',
        persistent=True,
        functions=(),
    ):
        """Start a domain; return libvirt's.

        :param functions: numbers of its virtual functions
        """
        xml = DOMAIN.format(
            name=name,
            metadata=metadata,
            uuid=uuid.uuid5(uuid.NAMESPACE_DNS, name),
            mdevs=''.join(
                map(MDEV.format, self.uuids[:1] if uuids is None else uuids)
            )
            + ''.join(map(PCI.format, functions)),
        )
        if persistent:
            found = self.connection.defineXML(xml)
            found.create()
        else:
            found = self.connection.createXML(xml)
        self.addCleanup(self.end, found)
        return found

    def end(self, domain):
        """Destroy and undefine a domain, if it is still there."""
        for end in (domain.destroy, domain.undefine):
            with contextlib.suppress(libvirt.libvirtError):
                end()

    def annotated(self, domain, flags=0):
        """Return the mdevs of a domain's annotation."""
        return domain_xml.parse(domain.XMLDesc(flags).encode()).annotated

    def both_annotated(self, domain):
        """Return them for the running domain, and for its next start."""
        inactive = libvirt.VIR_DOMAIN_XML_INACTIVE
        return self.annotated(domain), self.annotated(domain, inactive)

    def assert_right(self, domain, count=1):
        """Both have the known sources of that many mdevs."""
        self.assertEqual(
            (self.known_mdevs(count),) * 2, self.both_annotated(domain)
        )

    def known_mdevs(self, count=1):
        return tuple(
            map(
                domain_xml.AnnotatedDevice,
                self.uuids[:count],
                self.identities[:count],
            )
        )

    def annotate(self, failures=0):
        summary = self.annotator.annotate()
        self.assertEqual(failures, len(summary.failures), summary.failures)
        return summary
