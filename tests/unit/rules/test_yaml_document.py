# SPDX-License-Identifier: Apache-2.0

import string

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools
import yaml

from nova_mdev_compat.rules import yaml_document

TEXT = b"""\
vendor: "10de"
rules:
  - name: one
    accepts: {type: same,
              product: ["2235", 22]}
"""

_texts = st.text(
    string.ascii_letters + string.digits + ' :#-_*&!"\'{}[],é', max_size=10
)
_data = st.recursive(
    _texts,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_texts, inner, max_size=3)
    ),
    max_leaves=10,
)


def at(found, path):
    for step in path:
        found = found[step]
    return found


@ddt.ddt
class ParseTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.document = yaml_document.parse(TEXT)

    def test_data(self):
        self.assertEqual(
            {
                'vendor': '10de',
                'rules': [
                    {
                        'name': 'one',
                        'accepts': {'type': 'same', 'product': ['2235', '22']},
                    }
                ],
            },
            self.document.data,
        )

    @ddt.data(
        ((), (1, 1)),
        (('vendor',), (1, 9)),
        (('rules',), (3, 3)),
        (('rules', 0), (3, 5)),
        (('rules', 0, 'name'), (3, 11)),
        (('rules', 0, 'accepts', 'type'), (4, 21)),
        (('rules', 0, 'accepts', 'product', 1), (5, 33)),
    )
    @ddt.unpack
    def test_where_a_value_stood(self, path, expected):
        self.assertEqual(expected, self.document.marks[path])

    @ddt.data(
        (('vendor',), (1, 1)),
        (('rules',), (2, 1)),
        (('rules', 0, 'accepts'), (4, 5)),
        (('rules', 0, 'accepts', 'product'), (5, 15)),
    )
    @ddt.unpack
    def test_where_a_key_stood(self, path, expected):
        self.assertEqual(expected, self.document.keys[path])

    @ddt.data(
        '550.90',
        '550',
        '1e3',
        '0x10de',
        '0123',
        'on',
        'no',
        'true',
        'nULL',
        '2026-11-23',
        '12:30',
        '.inf',
        '=',
        '<<',
        '1_000',
    )
    def test_a_text_is_what_is_written(self, text):
        for written in (text, f'"{text}"', f"'{text}'"):
            raw = f'{written}: [{written}]'.encode()
            self.assertEqual({text: [text]}, yaml_document.parse(raw).data)

    @ddt.data('', '~', 'null', 'Null', 'NULL')
    def test_no_value(self, text):
        raw = f'x: {text}'.encode()
        self.assertEqual({'x': None}, yaml_document.parse(raw).data)
        quoted = f'x: "{text}"'.encode()
        self.assertEqual({'x': text}, yaml_document.parse(quoted).data)

    @hypothesis.given(_data)
    def test_quoted_data_comes_back_as_it_was(self, data):
        raw = yaml.safe_dump(data, default_style='"', allow_unicode=True)
        found = yaml_document.parse(raw.encode())
        self.assertEqual(data, found.data)
        for path in found.marks:
            self.assertIsNotNone(at(found.data, path))

    @hypothesis.given(
        st.one_of(
            st.binary(max_size=60),
            st.text(max_size=60).map(str.encode),
            st.text('ab:-?[]{},&*!|>"\'%@#\\U\n\t 0', max_size=60).map(
                str.encode
            ),
        )
    )
    def test_whatever_it_is_there_is_data_or_an_error(self, raw):
        try:
            found = yaml_document.parse(raw)
        except yaml_document.DocumentError as exc:
            self.assertTrue(str(exc))
            self.assertGreaterEqual(exc.line, 1)
            self.assertGreaterEqual(exc.column, 1)
        else:
            self.assertIn((), found.marks)


class LimitsTest(testtools.TestCase):
    def test_size(self):
        fits = b'# ' + b'x' * (yaml_document.MAX_BYTES - 4) + b'\na'
        self.assertEqual('a', yaml_document.parse(fits).data)
        exc = self.assertRaises(
            yaml_document.DocumentError, yaml_document.parse, fits + b'a'
        )
        self.assertEqual('larger than 1048576 bytes', str(exc))

    def test_depth(self):
        levels = yaml_document.MAX_DEPTH - 1
        fits = '[' * levels + 'a' + ']' * levels
        self.assertEqual(
            'a', at(yaml_document.parse(fits.encode()).data, [0] * levels)
        )
        exc = self.assertRaises(
            yaml_document.DocumentError,
            yaml_document.parse,
            f'[{fits}]'.encode(),
        )
        self.assertEqual('nested deeper than 16 levels', str(exc))
        self.assertEqual((1, 17), (exc.line, exc.column))

    def test_depth_is_found_out_early(self):
        exc = self.assertRaises(
            yaml_document.DocumentError,
            yaml_document.parse,
            b'[' * yaml_document.MAX_BYTES,
        )
        self.assertEqual('nested deeper than 16 levels', str(exc))

    def test_laughs_stop_at_the_first_anchor(self):
        laughs = 'a: &a [ha, ha]\n' + ''.join(
            f'{one}: &{one} [*{other}, *{other}]\n'
            for one, other in zip('bcdefgh', 'abcdefg', strict=True)
        )
        exc = self.assertRaises(
            yaml_document.DocumentError, yaml_document.parse, laughs.encode()
        )
        self.assertEqual('anchors (&name) are not allowed', str(exc))
        self.assertEqual((1, 4), (exc.line, exc.column))
