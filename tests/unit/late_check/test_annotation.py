# SPDX-License-Identifier: Apache-2.0
"""What is written of a domain's mdevs reads as the same."""

import ddt
import hypothesis
from hypothesis import strategies as st
from lxml import etree
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.late_check import domain_xml
from tests.unit import samples
from tests.unit import strategies

UUID = '11111111-1111-4111-8111-111111111111'

#: All that XML 1.0 lets stand in an attribute, escaped or not.
texts = st.text(
    st.one_of(
        st.sampled_from('\t\n\r "\'<>&;:]'),
        st.characters(min_codepoint=0x20, max_codepoint=0xD7FF),
        st.characters(min_codepoint=0xE000, max_codepoint=0xFFFD),
        st.characters(min_codepoint=0x10000),
    )
)
mdevs = st.builds(
    domain_xml.AnnotatedMdev,
    texts,
    st.one_of(st.none(), strategies.identities),
)


def parse(element):
    text = f'<domain><metadata>{element}</metadata></domain>'
    return domain_xml.parse(text.encode())


@ddt.ddt
class RoundTripTest(testtools.TestCase):
    @hypothesis.given(st.lists(mdevs, max_size=4).map(tuple))
    def test_any(self, found):
        self.assertEqual(
            domain_xml.Domain((), found),
            parse(domain_xml.write_annotation(found)),
        )

    @hypothesis.given(mdevs)
    def test_one_element(self, mdev):
        """libvirt takes one element, in a namespace."""
        root = etree.fromstring(domain_xml.write_annotation([mdev]))
        self.assertEqual(f'{{{domain_xml.NAMESPACE}}}mdevs', root.tag)
        self.assertEqual(1, len(root))

    @ddt.data('MTTY', 'ABCD_1234_MTTY', 'A_B', '0XABC')
    def test_device_without_pci_ids(self, parent):
        mdev = domain_xml.AnnotatedMdev(
            UUID, identity.Identity.of(parent, 'mtty-1')
        )
        element = domain_xml.write_annotation([mdev])
        self.assertNotIn('product=', element)
        self.assertEqual((mdev,), parse(element).annotated)

    def test_words(self):
        """As people write them, where that means the same."""
        element = domain_xml.write_annotation(
            [domain_xml.AnnotatedMdev(UUID, samples.A16)]
        )
        for text in (
            f'uuid="{UUID}" vendor="10de" product="2235" type="nvidia-558"',
            'name="driver" value="550.90.07"',
            'name="os" value="rhel-9.6"',
        ):
            self.assertIn(text, element)


@ddt.ddt
class ReadTest(testtools.TestCase):
    @ddt.data(
        ({}, [], 'no type'),
        ({'type': '-'}, [], "'-' has no letter or digit"),
        ({'type': 'a', 'vendor': '0x1'}, [], 'not a PCI id'),
        ({'type': 'a', 'product': '22355'}, [], 'not a PCI id'),
        ({'type': 'a'}, [{'value': 'x'}], 'no name'),
        ({'type': 'a'}, [{'name': 'x'}], 'no value'),
        ({'type': 'a'}, [{'name': 'X y', 'value': '1'}], 'not a fact name'),
        ({'type': 'a'}, [{'name': 'x', 'value': '.'}], 'fact x'),
    )
    @ddt.unpack
    def test_nonsense(self, attributes, facts, words):
        attributes = {
            'uuid': UUID,
            'vendor': '10de',
            'product': '2235',
            **attributes,
        }
        error = self.assertRaises(
            domain_xml.AnnotationError, domain_xml.read_mdev, attributes, facts
        )
        self.assertIn(UUID, str(error))
        self.assertIn(words, str(error))

    def test_two_values(self):
        facts = [
            {'name': 'ecc', 'value': 'on'},
            {'name': 'ecc', 'value': 'off'},
        ]
        error = self.assertRaises(
            domain_xml.AnnotationError,
            domain_xml.read_mdev,
            {'uuid': UUID, 'vendor': 'mtty', 'type': 'a'},
            facts,
        )
        self.assertIn('fact ecc has two values', str(error))
