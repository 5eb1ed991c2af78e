# SPDX-License-Identifier: Apache-2.0
"""Nova's own classes match the same functions, and refuse the same entries."""

import pathlib
import types

import ddt
import fixtures
from nova.compute import pci_placement_translator
from nova.conf import pci as nova_pci
from nova import exception
from nova.pci import devspec
from nova.pci import utils
from nova.pci import whitelist
from oslo_config import cfg
import testtools

from nova_mdev_compat.conf import nova as nova_options
from nova_mdev_compat.host import device_spec
from tests.functional import differences
from tests.unit.host import test_device_spec

FUNCTIONS = test_device_spec.FUNCTIONS
#: Number of the first Nova that has the tags for live migration.
LIVE_MIGRATION = 31
#: Number of the first Nova that has one_time_use.
ONE_TIME_USE = 32


@ddt.ddt
class DeviceSpecTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        physical = {function.physical for function in FUNCTIONS}
        self.useFixture(
            fixtures.MockPatchObject(
                utils,
                'is_physical_function',
                lambda *fields: '{}:{}:{}.{}'.format(*fields) in physical,
            )
        )

    def parse(self, conf, text):
        path = self.home / 'nova.conf'
        path.write_text(text)
        conf(
            ['--config-file', str(path)],
            project='nova',
            default_config_files=[],
            default_config_dirs=[],
        )
        return conf

    def ours(self, text):
        conf = cfg.ConfigOpts()
        nova_options.register_opts(conf)
        self.parse(conf, text)
        try:
            specs = device_spec.device_specs(conf)
        except device_spec.DeviceSpecError:
            return 'refused'
        found = {}
        for function in FUNCTIONS:
            spec = device_spec.spec_of(specs, function)
            if spec is not None:
                found[function.address] = (
                    specs.index(spec),
                    *(
                        (spec.managed, spec.live_migratable)
                        if differences.NOVA >= LIVE_MIGRATION
                        else ()
                    ),
                )
        return found

    def novas(self, text):
        conf = cfg.ConfigOpts()
        nova_pci.register_opts(conf)
        self.parse(conf, text)
        if hasattr(devspec, 'CONF'):
            self.useFixture(fixtures.MockPatchObject(devspec, 'CONF', conf))
        try:
            # As ComputeManager.init_host, and the tracker after it.
            nova = whitelist.Whitelist(conf.pci.device_spec)
            if conf.pci.report_in_placement:
                pci_placement_translator.ensure_no_dev_spec_with_devname(
                    nova.specs
                )
        except Exception:
            # Some wrong values raise what nobody has thought of.
            return 'refused'
        found = {}
        for function in FUNCTIONS:
            spec = self.nova_spec(nova, function)
            if spec is not None:
                tags = spec.get_tags()
                found[function.address] = (
                    nova.specs.index(spec),
                    *(
                        {'true': True, 'false': False}.get(tags.get(tag))
                        for tag in ('managed', 'live_migratable')
                        if differences.NOVA >= LIVE_MIGRATION
                    ),
                )
        return found

    def nova_spec(self, nova, function):
        """Return the entry that applies to a function."""
        device = types.SimpleNamespace(
            address=function.address,
            parent_addr=function.physical,
            vendor_id=function.vendor,
            product_id=function.product,
            card_serial_number=None,
        )
        try:
            return nova.get_devspec(device)
        except exception.PciConfigInvalidSpec:
            return None  # PciDevTracker skips a device with such an address

    def compare(self, *lines):
        text = '[pci]\n' + '\n'.join(lines) + '\n'
        ours = self.ours(text)
        self.assertEqual(self.novas(text), ours)
        return ours

    @ddt.data(*(value for value, _ in test_device_spec.ENTRIES))
    def test_entries(self, value):
        found = self.compare(f'device_spec = {value}')
        self.assertNotEqual('refused', found)

    @ddt.data(*(value for value, _ in test_device_spec.WRONG))
    def test_wrong_entries(self, value):
        found = self.compare(f'device_spec = {value}')
        self.assertEqual('refused', found)

    @ddt.data(
        *((value, LIVE_MIGRATION) for value, _ in test_device_spec.TAGS),
        *((value, ONE_TIME_USE) for value, _ in test_device_spec.ONE_TIME),
    )
    @ddt.unpack
    def test_wrong_tags(self, value, since):
        """Older Novas ignore the tag: the newest one's check applies."""
        text = f'[pci]\ndevice_spec = {value}\n'
        self.assertEqual('refused', self.ours(text))
        checked = since <= differences.NOVA
        self.assertEqual(checked, self.novas(text) == 'refused')

    @ddt.data(*test_device_spec.WITH_PLACEMENT)
    @ddt.unpack
    def test_with_placement(self, value, accepted):
        found = self.compare(
            f'device_spec = {value}', 'report_in_placement = true'
        )
        self.assertEqual(accepted, found != 'refused')

    def test_several(self):
        """The first that matches applies, by whichever name."""
        found = self.compare(
            'device_spec = {"vendor_id": "8086"}',
            'device_spec = [{"address": "0000:81:00.4", "managed": "no"}, '
            '{"address": "0000:81:00.0"}]',
            'device_spec = {}',
        )
        self.assertEqual({0, 1, 2, 3}, {item[0] for item in found.values()})

    @ddt.data(
        '[pci]\npassthrough_whitelist', '[DEFAULT]\npci_passthrough_whitelist'
    )
    def test_old_names(self, name):
        text = f'{name} = {{"vendor_id": "10de"}}\n'
        found = self.compare('device_spec = {"vendor_id": "10de"}')
        self.assertEqual(found, self.ours(text))
        self.assertEqual(found, self.novas(text))
