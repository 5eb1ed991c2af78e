# SPDX-License-Identifier: Apache-2.0

import ddt
import testtools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.osc import upgrade


@ddt.ddt
class ArgumentTest(testtools.TestCase):
    @ddt.data(
        ([], {}),
        (['driver=550.90.7'], {'driver': '550_90_7'}),
        (['driver=550', 'os=rhel-9.6'], {'driver': '550', 'os': 'RHEL_9_6'}),
        (['kernel=5.14.0-570.el9'], {'kernel': '5_14_0_570_EL9'}),
    )
    @ddt.unpack
    def test_facts(self, arguments, expected):
        self.assertEqual(expected, upgrade.new_facts(arguments))

    @ddt.data(
        (['driver'], "fact 'driver' is not of the form <name>=<value>"),
        ([''], "fact '' is not of the form <name>=<value>"),
        (
            ['=550'],
            "fact: '' is not a fact name: lower case letters and "
            'digits, a letter first',
        ),
        (
            ['Driver=550'],
            "fact: 'Driver' is not a fact name: lower case "
            'letters and digits, a letter first',
        ),
        (
            ['driver='],
            "fact driver: '' has no letter or digit that a trait could carry",
        ),
        (
            ['os=a=b'],
            "fact os: 'a=b': a trait cannot carry '=', so that it "
            'would be lost',
        ),
        (
            ['driver=>=550'],
            "fact driver: '>=550': a trait cannot carry '>=', "
            'so that it would be lost',
        ),
        (
            ['driver=550-570'],
            "fact driver: '550-570' reads as a range of versions",
        ),
        (['driver=1', 'driver=2'], 'fact driver is given twice'),
        (
            ['framework=vfio'],
            'fact framework cannot be changed: on hosts with another '
            'framework the devices, and what Nova allocates, are others',
        ),
    )
    @ddt.unpack
    def test_wrong_facts(self, arguments, line):
        error = self.assertRaises(
            exceptions.BadInput, upgrade.new_facts, arguments
        )
        self.assertEqual(line, str(error))

    @ddt.data('nvidia-558', 'NVIDIA_558', 'Nvidia 558')
    def test_types(self, name):
        self.assertEqual({'NVIDIA_558'}, upgrade.mdev_types([name]))

    @ddt.data(
        ('-', "'-' has no letter or digit that a trait could carry"),
        (
            'nvidia-*',
            "'nvidia-*': a trait cannot carry '-*', so that it would be lost",
        ),
    )
    @ddt.unpack
    def test_wrong_type(self, name, line):
        error = self.assertRaises(
            exceptions.BadInput, upgrade.mdev_types, [name]
        )
        self.assertEqual(f'type: {line}', str(error))
