# SPDX-License-Identifier: Apache-2.0

import json
import pathlib

import collections

import ddt
import fixtures
from oslo_config import cfg
import testtools

from nova_mdev_compat.conf import nova as nova_options
from nova_mdev_compat.host import device_spec

#: What of a function counts; no physical function's address for one itself.
Function = collections.namedtuple(
    'Function', 'address vendor product physical', defaults=['']
)

PF = Function('0000:81:00.0', '10de', '2235')
VF = Function('0000:81:00.4', '10de', '2236', PF.address)
VF_DEVICE_1 = Function('0000:81:01.0', '10de', '2236', PF.address)
OTHER_PF = Function('0000:c8:00.0', '10de', '2235')
OTHER_VF = Function('0000:c8:00.4', '10de', '2236', OTHER_PF.address)
QAT = Function('0001:6b:1f.7', '8086', '4941', '0001:6b:00.0')
#: Nova cannot track a device whose domain has more than four digits.
LONG = Function('10000:81:00.4', '10de', '2236', '10000:81:00.0')
FUNCTIONS = (PF, VF, VF_DEVICE_1, OTHER_PF, OTHER_VF, QAT, LONG)
ALL = FUNCTIONS[:-1]
#: Values of [pci]device_spec, and what they match of FUNCTIONS.
ENTRIES = (
    ('{}', ALL),
    ('[]', ()),
    ('[{}, {"vendor_id": "8086"}]', ALL),
    # Vendor and product.
    ('{"vendor_id": "8086"}', (QAT,)),
    ('{"vendor_id": "10DE"}', ALL[:-1]),
    ('{"vendor_id": " 0x10de "}', ALL[:-1]),
    ('{"vendor_id": "*", "product_id": "4941"}', (QAT,)),
    ('{"vendor_id": " * ", "product_id": "*"}', ALL),
    ('{"vendor_id": "8086", "product_id": "2236"}', ()),
    (
        '{"vendor_id": "10de", "product_id": "2236"}',
        (VF, VF_DEVICE_1, OTHER_VF),
    ),
    ('{"vendor_id": "-1"}', ()),
    ('{"vendor_id": "de"}', ()),
    ('{"vendor_id": "8086", "vendor_id": "10de"}', ALL[:-1]),
    # Globs.
    ('{"address": "0000:81:00.4"}', (VF,)),
    ('{"address": "81:00.4"}', (VF,)),
    ('{"address": "0:81:0.4"}', (VF,)),
    ('{"address": "0000:C8:00.4"}', (OTHER_VF,)),
    ('{"address": " 0000 : 81 : 00 . 4 "}', (VF,)),
    ('{"address": "*:81:*.*"}', (PF, VF, VF_DEVICE_1)),
    ('{"address": "*:*:*.4"}', (VF, OTHER_VF)),
    ('{"address": ".4"}', (VF, OTHER_VF)),
    ('{"address": ":01."}', (VF_DEVICE_1,)),
    ('{"address": "1f"}', (QAT,)),
    ('{"address": "0001::.*"}', (QAT,)),
    ('{"address": "0001::"}', (QAT,)),
    ('{"address": ""}', ALL),
    ('{"address": null}', ALL),
    ('{"address": {}}', ALL),
    ('{"address": " "}', ALL),
    ('{"address": "-1:81:00.4"}', ()),
    ('{"address": "0000:81:00.1"}', ()),
    # A physical function's address matches its virtual functions, too.
    ('{"address": "0000:81:00.0"}', (PF, VF, VF_DEVICE_1)),
    ('{"address": "0001:6b:00.0"}', (QAT,)),
    ('{"address": "0:c8:0.0"}', (OTHER_PF, OTHER_VF)),
    ('{"address": "81:00.0"}', (PF,)),
    (
        '{"vendor_id": "10de", "product_id": "2236", '
        '"address": "0000:81:00.0"}',
        (VF, VF_DEVICE_1),
    ),
    # Patterns, which match at the beginning.
    ('{"address": {"bus": "81"}}', (PF, VF, VF_DEVICE_1)),
    ('{"address": {"bus": "8"}}', (PF, VF, VF_DEVICE_1)),
    ('{"address": {"bus": "1"}}', ()),
    ('{"address": {"bus": "C8"}}', ()),
    ('{"address": {"bus": ""}}', ALL),
    ('{"address": {"bus": "8$"}}', ()),
    ('{"address": {"function": "[1-7]", "slot": "0[01]"}}', (VF, OTHER_VF)),
    ('{"address": {"domain": "0*1"}}', (QAT,)),
    ('{"address": {"device": "81"}}', ALL),
    (
        '{"address": {"domain": "0000", "bus": "81", "slot": "00", '
        '"function": "0"}}',
        (PF, VF, VF_DEVICE_1),
    ),
    (
        '{"address": {"domain": "0000", "bus": "C8", "slot": "00", '
        '"function": "0"}}',
        (),
    ),
    (
        '{"address": {"domain": "0000", "bus": "81", "slot": "00", '
        '"function": "[0]"}}',
        (PF,),
    ),
    # Of Neutron.
    ('{"devname": "nosuch0"}', ()),
    ('{"devname": "nosuch0", "address": ""}', ()),
    ('{"devname": ""}', ALL),
    ('{"remote_managed": "Yes", "address": "*:81:*.*"}', ()),
    ('{"remote_managed": "perhaps"}', ALL),
    ('{"remote_managed": null, "physical_network": null}', ALL),
    ('{"vendor_id": "8086", "physical_network": "physnet1"}', (QAT,)),
    # Other tags.
    ('{"managed": "no", "live_migratable": "YES"}', ALL),
    ('{"managed": " 1 ", "live_migratable": " off "}', ALL),
    ('{"managed": true, "live_migratable": 0}', ALL),
    ('{"managed": null}', ALL),
    ('{"one_time_use": "no"}', ALL),
    ('{"unknown": {"a": [1]}}', ALL),
)
#: Tags that Nova checks since 31, and since 32.
TAGS = (
    ('{"live_migratable": "perhaps"}', "live_migratable 'perhaps' is neither"),
    ('{"live_migratable": ""}', "live_migratable '' is neither yes nor no"),
    ('{"live_migratable": 2}', 'live_migratable 2 is neither yes nor no'),
    ('{"managed": "none"}', "managed 'none' is neither yes nor no"),
    ('{"managed": ["no"]}', "managed ['no'] is neither yes nor no"),
)
ONE_TIME = (
    ('{"one_time_use": "perhaps"}', "one_time_use 'perhaps' is neither"),
    ('{"one_time_use": "yes"}', 'requires [pci]report_in_placement'),
)
#: Values with which nova-compute does not start, and what is wrong.
WRONG = (
    ('', 'Expecting value'),
    ('10de:2235', 'Extra data'),
    ("{'vendor_id': '10de'}", 'Expecting property name'),
    ('{"vendor_id": "10de"', "Expecting ',' delimiter"),
    ('{"vendor_id": "10de"}, {"vendor_id": "8086"}', 'Extra data'),
    ('null', 'None is not a JSON object'),
    ('5', '5 is not a JSON object'),
    ('true', 'True is not a JSON object'),
    ('[{}, "10de"]', "'10de' is not a JSON object"),
    ('[[{}]]', '[{}] is not a JSON object'),
    ('{"vendor_id": "nvidia"}', "vendor_id 'nvidia' is not hexadecimal"),
    ('{"vendor_id": ""}', "vendor_id '' is not hexadecimal"),
    ('{"vendor_id": null}', 'vendor_id None is not hexadecimal'),
    ('{"vendor_id": 4318}', 'vendor_id 4318 is not hexadecimal'),
    ('{"vendor_id": "10de0"}', "vendor_id '10de0' is greater than FFFF"),
    ('{"product_id": " * "}', "product_id ' * ' is not hexadecimal"),
    ('{"product_id": ["2235"]}', "product_id ['2235'] is not hexadecimal"),
    ('{"product_id": null}', 'product_id None is not hexadecimal'),
    ('{"product_id": "1ffff"}', "product_id '1ffff' is greater than FFFF"),
    ('{"address": "10000:81:00.0"}', "domain '10000' is greater than FFFF"),
    ('{"address": "0:100:00.0"}', "bus '100' is greater than FF"),
    ('{"address": "0:81:20.0"}', "slot '20' is greater than 1F"),
    ('{"address": "0:81:00.8"}', "function '8' is greater than 7"),
    ('{"address": "0:81:00. "}', "function '' is not hexadecimal"),
    ('{"address": "0:81:00.0.0"}', "function '0.0' is not hexadecimal"),
    ('{"address": "0:0:81:00.0"}', 'has too many fields'),
    ('{"address": "pci_0000_81_00_0"}', 'is not hexadecimal'),
    ('{"address": "0:[0-9]*:00.0"}', "bus '[0-9]*' is not hexadecimal"),
    ('{"address": 81}', 'address 81 is neither text nor an object'),
    ('{"address": ["0:81:00.0"]}', 'is neither text nor an object'),
    ('{"address": {"bus": "[8"}}', 'unterminated character set'),
    ('{"address": {"bus": "*"}}', 'nothing to repeat'),
    ('{"address": {"bus": "8{99999999999}"}}', 'the repetition number is too'),
    ('{"address": {"bus": 81}}', 'must be string or compiled pattern'),
    ('{"address": {"slot": null}}', 'must be string or compiled pattern'),
    ('{"address": {"bus": ["81"]}}', 'unhashable'),
    ('{"address": "0:81:00.0", "devname": "a"}', 'exclude each other'),
    ('{"remote_managed": "yes", "address": "x"}', 'is not hexadecimal'),
    ('{"address": {"bus": "$nosuch"}}', 'no such option nosuch'),
    # Huge.
    ('[' * 100_000, 'recursion'),
    ('{"vendor_id": "' + 'f' * 100_000 + '"}', "vendor_id 'ffff"),
    ('{"vendor_id": ' + '9' * 10_000 + '}', 'Exceeds the limit'),
    ('{"address": {"bus": "' + '(' * 5_000 + ')' * 5_000 + '"}}', 'recursion'),
)
#: With [pci]report_in_placement: values, and whether nova-compute starts.
WITH_PLACEMENT = (
    ('{"devname": "nosuch0"}', False),
    ('{"devname": ""}', True),
    ('{"one_time_use": "yes"}', True),
    ('{"vendor_id": "10de", "resource_class": "VGPU", "traits": "A,b"}', True),
)


def read(case, *lines):
    """Return the entries of a nova.conf.

    :param lines: of its section [pci]
    """
    home = case.useFixture(fixtures.TempDir()).path
    path = pathlib.Path(home, 'nova.conf')
    path.write_text('\n'.join(['[pci]', *lines, '']))
    conf = cfg.ConfigOpts()
    nova_options.register_opts(conf)
    conf(
        ['--config-file', str(path)],
        project='nova-mdev-compat',
        default_config_files=[],
        default_config_dirs=[],
    )
    return device_spec.device_specs(conf)


@ddt.ddt
class MatchTest(testtools.TestCase):
    @ddt.data(*ENTRIES)
    @ddt.unpack
    def test_entry(self, value, expected):
        specs = read(self, f'device_spec = {value}')
        self.assertEqual(
            tuple(expected),
            tuple(
                function
                for function in FUNCTIONS
                if device_spec.spec_of(specs, function)
            ),
        )

    def test_first_match_applies(self):
        specs = read(
            self,
            'device_spec = {"address": "0000:81:00.4"}',
            'device_spec = [{"vendor_id": "8086"}, {"product_id": "2236"}]',
        )
        self.assertEqual(
            [None, 0, 2, None, 2, 1],
            [
                specs.index(spec) if spec else None
                for spec in (device_spec.spec_of(specs, item) for item in ALL)
            ],
        )

    def test_many(self):
        specs = read(
            self,
            'device_spec = '
            + json.dumps([{'address': f'{n:x}:0:0.0'} for n in range(20_000)]),
        )
        self.assertEqual(20_000, len(specs))
        self.assertIsNone(device_spec.spec_of(specs, VF))


@ddt.ddt
class ReadTest(testtools.TestCase):
    def test_nothing(self):
        self.assertEqual((), read(self))

    def test_fields(self):
        text = json.dumps(
            {
                'vendor_id': '10DE',
                'address': '81:00.4',
                'managed': 'no',
                'live_migratable': 'yes',
                'resource_class': 'a16',
                'traits': 'HW_GPU_API_VULKAN,my own',
                'physical_network': 'physnet1',
            }
        )
        (spec,) = read(self, f'device_spec = {text}')
        self.assertEqual(
            ('10de', None, None, True, False, 'a16', 'physnet1', text),
            (
                spec.vendor,
                spec.product,
                spec.physical,
                spec.live_migratable,
                spec.managed,
                spec.resource_class,
                spec.physical_network,
                spec.text,
            ),
        )
        self.assertEqual({'HW_GPU_API_VULKAN', 'my own'}, spec.traits)

    @ddt.data(
        '{}',
        '{"managed": null, "live_migratable": null, "resource_class": null, '
        '"traits": null, "physical_network": null}',
        '{"resource_class": 5, "traits": ["A"], "physical_network": ""}',
        '{"resource_class": "", "traits": ""}',
    )
    def test_not_set(self, value):
        (spec,) = read(self, f'device_spec = {value}')
        self.assertIsNone(spec.managed)
        self.assertIsNone(spec.live_migratable)
        self.assertIsNone(spec.physical_network)
        self.assertEqual(frozenset(), spec.traits)
        self.assertFalse(spec.resource_class)

    @ddt.data(*WRONG, *TAGS, *ONE_TIME)
    @ddt.unpack
    def test_wrong(self, value, why):
        exc = self.assertRaises(
            device_spec.DeviceSpecError,
            read,
            self,
            'device_spec = {"vendor_id": "8086"}',
            f'device_spec = {value}',
        )
        self.assertIn('nova.conf: [pci]device_spec', str(exc))
        self.assertIn(why, str(exc))
        self.assertLess(len(str(exc)), 700)
        if 'nosuch' not in value:
            self.assertIn(f'does not start with {value[:200]}', str(exc))

    @ddt.data(*WITH_PLACEMENT)
    @ddt.unpack
    def test_with_placement(self, value, accepted):
        lines = [f'device_spec = {value}', 'report_in_placement = true']
        if accepted:
            self.assertEqual(1, len(read(self, *lines)))
        else:
            self.assertRaises(device_spec.DeviceSpecError, read, self, *lines)

    def test_report_in_placement_is_not_boolean(self):
        exc = self.assertRaises(
            device_spec.DeviceSpecError, read, self, 'report_in_placement = x'
        )
        self.assertIn('report_in_placement', str(exc))
        self.assertIn("Unexpected boolean value 'x'", str(exc))
