# SPDX-License-Identifier: Apache-2.0
"""Domains as libvirt writes them, and as an attacker would."""

import encodings.aliases
import pkgutil

import ddt
import hypothesis
from hypothesis import strategies as st
from lxml import etree
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.late_check import domain_xml
from tests.unit import samples
from tests.unit import strategies

LIVE = samples.capture('domain-mdev-live.xml')
UUIDS = (
    '33333333-3333-4333-8333-333333333333',
    '11111111-1111-4111-8111-111111111111',
)
MDEVS = (
    domain_xml.AnnotatedDevice(
        UUIDS[0], identity.Identity.of('MTTY', 'mtty-1')
    ),
    domain_xml.AnnotatedDevice(UUIDS[1], samples.A16),
)
WRITTEN = domain_xml.write_annotation(MDEVS)
VFIO_LIVE = (samples.VFIO_CAPTURES / 'domain-live.xml').read_text('utf-8')
FUNCTION = domain_xml.AnnotatedDevice(
    '0000:81:00.4', samples.with_facts(framework='vfio'), 'VFIO'
)
NOVA = (
    '<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/'
    '1.1"><nova:name>{}</nova:name></nova:instance>'
)


def with_metadata(*elements):
    return LIVE.replace(
        '<memory ', f'<metadata>{"".join(elements)}</metadata><memory ', 1
    )


def parse(text):
    return domain_xml.parse(text.encode())


#: All that XML 1.0 allows in an attribute, escaped or not.
texts = st.text(
    st.one_of(
        st.sampled_from('\t\n\r "\'<>&;:]'),
        st.characters(min_codepoint=0x20, max_codepoint=0xD7FF),
        st.characters(min_codepoint=0xE000, max_codepoint=0xFFFD),
        st.characters(min_codepoint=0x10000),
    )
)
mdevs = st.builds(
    domain_xml.AnnotatedDevice,
    texts,
    st.one_of(st.none(), strategies.identities),
    st.sampled_from(['MDEV', 'VFIO']),
)


def wrap(element):
    return f'<domain><metadata>{element}</metadata></domain>'


@ddt.ddt
class RoundTripTest(testtools.TestCase):
    @hypothesis.given(st.lists(mdevs, max_size=4).map(tuple))
    def test_any(self, found):
        self.assertEqual(
            domain_xml.Domain((), found),
            parse(wrap(domain_xml.write_annotation(found))),
        )

    @hypothesis.given(mdevs)
    def test_one_element(self, mdev):
        """libvirt takes one element, in a namespace."""
        root = etree.fromstring(domain_xml.write_annotation([mdev]))
        self.assertEqual(f'{{{domain_xml.NAMESPACE}}}mdevs', root.tag)
        self.assertEqual(1, len(root))

    @ddt.data('MTTY', 'ABCD_1234_MTTY', 'A_B', '0XABC')
    def test_device_without_pci_ids(self, parent):
        mdev = domain_xml.AnnotatedDevice(
            UUIDS[1], identity.Identity.of(parent, 'mtty-1')
        )
        element = domain_xml.write_annotation([mdev])
        self.assertNotIn('product=', element)
        self.assertEqual((mdev,), parse(wrap(element)).annotated)

    def test_spelling(self):
        """Values are spelled as the vendor and nova.conf write them."""
        element = domain_xml.write_annotation(
            [domain_xml.AnnotatedDevice(UUIDS[1], samples.A16)]
        )
        for text in (
            f'uuid="{UUIDS[1]}" vendor="10de" product="2235" type="nvidia-558"',
            'name="driver" value="550.90.07"',
            'name="os" value="rhel-9.6"',
        ):
            self.assertIn(text, element)

    def test_function(self):
        """It is an element of its own, and leaves those of mdevs alone."""
        element = domain_xml.write_annotation([*MDEVS, FUNCTION])
        self.assertIn(
            '<mdev-compat:function address="0000:81:00.4" vendor="10de" '
            'product="2235" type="nvidia-558">',
            element,
        )
        self.assertEqual((*MDEVS, FUNCTION), parse(wrap(element)).annotated)
        # An earlier release ignores elements that it does not know.
        root = etree.fromstring(element)
        for one in root.findall(f'{{{domain_xml.NAMESPACE}}}function'):
            root.remove(one)
        self.assertEqual(
            MDEVS, parse(wrap(etree.tostring(root).decode())).annotated
        )
        self.assertNotIn('function', etree.tostring(root).decode())


@ddt.ddt
class DomainTest(testtools.TestCase):
    def test_without_annotation(self):
        self.assertEqual(domain_xml.Domain(UUIDS), parse(LIVE))

    def test_with_annotation(self):
        self.assertEqual(
            domain_xml.Domain(UUIDS, MDEVS),
            parse(with_metadata(NOVA.format('vm'), WRITTEN)),
        )

    def test_other_prefix(self):
        """The namespace counts, not the prefix."""
        text = WRITTEN.replace('mdev-compat:', 'x:').replace(
            'xmlns:mdev-compat', 'xmlns:x'
        )
        self.assertEqual(MDEVS, parse(with_metadata(text)).annotated)

    def test_no_mdev(self):
        text = LIVE.replace("type='mdev'", "type='usb'")
        self.assertEqual(domain_xml.Domain(()), parse(text))

    @ddt.data('domain-live.xml', 'domain-mig-in.xml')
    def test_pci_device(self, name):
        """The address on the host counts, and not that in the guest."""
        text = (samples.VFIO_CAPTURES / name).read_text('utf-8')
        self.assertEqual(
            domain_xml.Domain((), addresses=('0000:01:00.1',)), parse(text)
        )

    def test_pci_domain_of_five_digits(self):
        """As the kernel numbers those of Intel's VMD."""
        text = VFIO_LIVE.replace(
            "domain='0x0000' bus='0x01' slot='0x00' function='0x1'",
            "domain='0x10000' bus='0xff' slot='0x1f' function='0x7'",
        )
        self.assertEqual(('10000:ff:1f.7',), parse(text).addresses)

    def test_upper_case(self):
        self.assertEqual(
            ('aaaaaaaa-3333-4333-8333-333333333333', UUIDS[1]),
            parse(LIVE.replace('33333333-3', 'AAAAAAAA-3', 1)).uuids,
        )

    def test_without_uuid(self):
        """It is not an mdev of this host, and it is not skipped."""
        self.assertEqual(
            ('', UUIDS[1]), parse(LIVE.replace(f"uuid='{UUIDS[0]}'", '')).uuids
        )

    @ddt.named_data(
        # An instance's name, as Nova writes it and libvirt returns it.
        ('escaped', NOVA.format(WRITTEN.replace('<', '&lt;'))),
        ('cdata', NOVA.format(f'<![CDATA[{WRITTEN}]]>')),
        ('comment', f'<!--{WRITTEN}-->'),
        ('within_another', NOVA.format(WRITTEN)),
        (
            'other_namespace',
            WRITTEN.replace(domain_xml.NAMESPACE, domain_xml.NAMESPACE + '/'),
        ),
        ('no_namespace', '<mdevs><mdev uuid="x" vendor="10de"/></mdevs>'),
    )
    def test_forged(self, element):
        """Only our element, in its place, counts."""
        self.assertEqual(
            domain_xml.Domain(UUIDS), parse(with_metadata(element))
        )

    @ddt.data('devices', 'os', 'features')
    def test_elsewhere(self, place):
        text = LIVE.replace(f'<{place}>', f'<{place}>{WRITTEN}', 1)
        self.assertEqual(domain_xml.Domain(UUIDS), parse(text))

    def test_address_elsewhere(self):
        """Only the address in a hostdev's source is an mdev's."""
        forged = "<address uuid='22222222-2222-4222-8222-222222222222'/>"
        text = LIVE.replace('<alias', f'{forged}<alias').replace(
            '</devices>', f'{forged}</devices>'
        )
        self.assertEqual(UUIDS, parse(text).uuids)

    @ddt.named_data(
        ('no_type', 'type="nvidia-558"', '', f'mdev {UUIDS[1]}: no type'),
        (
            'type',
            'type="nvidia-558"',
            'type="-"',
            "'-' has no letter or digit",
        ),
        ('product', 'product="2235"', 'product="22"', "'22' is not a PCI id"),
        ('long_product', 'product="2235"', 'product="22355"', 'not a PCI id'),
        ('vendor', 'vendor="10de"', 'vendor="0x1"', 'not a PCI id'),
        (
            'subsystem',
            'vendor="mtty"',
            'vendor="10de_2235"',
            'cannot be told from a PCI id',
        ),
        ('fact_name', 'name="driver"', 'name="X y"', 'is not a fact name'),
        (
            'upper_case_fact',
            'name="driver"',
            'name="DRIVER"',
            'is not a fact name',
        ),
        ('no_fact_name', 'name="driver" ', '', 'no name'),
        ('value', 'value="on"', 'value="…"', 'fact ecc'),
        ('no_value', 'value="on"', '', 'no value'),
        (
            'long',
            'value="550',
            f'value="{"9" * 5000}',
            'value has 5006 characters',
        ),
        (
            'two_values',
            'name="ecc"',
            'name="driver"',
            'fact driver has two values',
        ),
    )
    def test_unreadable_annotation(self, old, new, words):
        self.assert_unreadable(WRITTEN.replace(old, new), words)

    def test_two_annotations(self):
        self.assert_unreadable(WRITTEN + WRITTEN, 'more than once')

    def assert_unreadable(self, element, words):
        found = parse(with_metadata(element))
        self.assertEqual(UUIDS, found.uuids)
        self.assertIsNone(found.annotated)
        self.assertIn(words, found.fault)

    def test_newer_minor_version(self):
        """Its additional attributes and elements are ignored."""
        text = WRITTEN.replace(
            '<mdev-compat:mdev ',
            f'<mdev-compat:new a="b"/><mdev-compat:mdev new="{"9" * 5000}" ',
        ).replace(
            '<mdev-compat:fact ',
            '<x xmlns="x"/><mdev-compat:new><mdev-compat:fact name="ecc" '
            'value="of another"/></mdev-compat:new>'
            f'<mdev-compat:fact new="{"9" * 5000}" ',
        )
        self.assertEqual(
            domain_xml.Domain(UUIDS, MDEVS), parse(with_metadata(text))
        )

    @ddt.data((), (WRITTEN,))
    def test_other_versions(self, ours):
        """They are noted, with or without ours."""
        others = [
            WRITTEN.replace(domain_xml.NAMESPACE, domain_xml.FAMILY + version)
            for version in ('2.0', '10.7')
        ]
        self.assertEqual(
            domain_xml.Domain(
                UUIDS, MDEVS if ours else None, others=('2.0', '10.7')
            ),
            parse(with_metadata(NOVA, *others, *ours)),
        )

    @ddt.data('', 'x', '1.0/', '1.0 x', '1.0 mdevs', '9' * 100)
    def test_no_versions(self, version):
        text = WRITTEN.replace(
            domain_xml.NAMESPACE, domain_xml.FAMILY + version
        )
        self.assertEqual(domain_xml.Domain(UUIDS), parse(with_metadata(text)))

    def test_identity_unknown(self):
        mdevs = (domain_xml.AnnotatedDevice(UUIDS[0], None),)
        self.assertEqual(
            mdevs,
            parse(with_metadata(domain_xml.write_annotation(mdevs))).annotated,
        )


BOMB = ''.join(
    f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10)
)


@ddt.ddt
class HostileTest(testtools.TestCase):
    @ddt.named_data(
        (
            'bomb',
            f'<!DOCTYPE domain [<!ENTITY l0 "lol">{BOMB}]>'
            '<domain>&l9;</domain>',
            'document type',
        ),
        (
            'external',
            '<!DOCTYPE domain SYSTEM "file:///etc/passwd"><domain/>',
            'document type',
        ),
        (
            'external_entity',
            '<!DOCTYPE domain [<!ENTITY x SYSTEM '
            '"file:///etc/passwd">]><domain>&x;</domain>',
            'document type',
        ),
        ('entity', '<domain>&lol;</domain>', 'is broken: undefined entity'),
        ('empty', '', 'is broken: no element found'),
        ('cut', LIVE[:-20], 'is broken: unclosed token'),
        ('two', LIVE + LIVE, 'is broken: junk after document element'),
        (
            'prefix',
            '<domain><metadata><x:y/></metadata></domain>',
            'unbound prefix',
        ),
        ('attribute', '<domain a="1" a="2"/>', 'duplicate attribute'),
        (
            'encoding',
            '<?xml version="1.0" encoding="klingon"?><domain/>',
            "its encoding is 'klingon', and libvirt writes UTF-8",
        ),
        ('nul', '<domain>\0</domain>', 'is broken'),
        ('other', '<domainbackup/>', 'it is not a domain'),
        (
            'deep',
            '<domain>' * 65 + '</domain>' * 65,
            'more than 64 elements deep',
        ),
        ('endless', '<domain>' * 10**5, 'more than 64 elements deep'),
        ('large', f'<domain>{" " * 10 * 2**20}</domain>', 'more than 4 MiB'),
        *(
            (
                f'pci_{name}',
                VFIO_LIVE.replace("bus='0x01' slot='0x00' function='0x1'", to),
                'the address of one of its PCI devices is',
            )
            for name, to in (
                ('nothing', ''),
                ('path', "bus='0x/../..' slot='0x00' function='0x1'"),
                ('text', "bus='one' slot='0x00' function='0x1'"),
                ('decimal', "bus='1' slot='0' function='1'"),
                ('long', f"bus='0x{'0' * 9999}' slot='0' function='1'"),
                ('function', "bus='0x01' slot='0x00' function='0x8'"),
                ('digits', "bus='0x\u0660\u0661' slot='0x00' function='0x1'"),
                ('line', "bus='0x01' slot='0x00' function='0x1&#10;'"),
            )
        ),
    )
    def test_refused(self, text, words):
        exc = self.assertRaises(domain_xml.DomainError, parse, text)
        self.assertIn(words, str(exc))
        self.assertEqual(1, len(str(exc).splitlines()), exc)

    def test_any_encoding(self):
        """All but UTF-8 are refused, whether Python has them or not."""
        names = {
            *encodings.aliases.aliases.keys(),
            *encodings.aliases.aliases.values(),
            *(
                module.name
                for module in pkgutil.iter_modules(encodings.__path__)
            ),
        }
        for name in names - {'utf8', 'utf_8'}:
            text = f'<?xml version="1.0" encoding="{name}"?><domain/>'
            for raw in (text.encode(), text.encode('utf-16')):
                self.assertRaises(
                    domain_xml.DomainError, domain_xml.parse, raw
                )

    @ddt.data('UTF-8', 'utf-8')
    def test_encoding_of_libvirt(self, name):
        self.assertEqual(
            domain_xml.Domain(UUIDS),
            parse(f'<?xml version="1.0" encoding="{name}"?>{LIVE.lstrip()}'),
        )

    def test_not_utf8(self):
        self.assertRaises(
            domain_xml.DomainError,
            domain_xml.parse,
            b'<domain>\xff\xfe</domain>',
        )

    def test_wide(self):
        """Many elements take many calls, and no memory."""
        self.assertEqual(
            domain_xml.Domain(()), parse(f'<domain>{"<a/>" * 10**5}</domain>')
        )
