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
    def test_position_of_a_value(self, path, expected):
        self.assertEqual(expected, self.document.marks[path])

    @ddt.data(
        (('vendor',), (1, 1)),
        (('rules',), (2, 1)),
        (('rules', 0, 'accepts'), (4, 5)),
        (('rules', 0, 'accepts', 'product'), (5, 15)),
    )
    @ddt.unpack
    def test_position_of_a_key(self, path, expected):
        self.assertEqual(expected, self.document.keys[path])

    @ddt.data(
        # Numbers, switches, dates and more of YAML's.
        *('550.90', '550', '1e3', '0x10de', '0123', '12:30', '.inf', '1_000'),
        *('on', 'no', 'true', 'nULL', '2026-11-23', '=', '<<'),
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


@ddt.ddt
class LimitsTest(testtools.TestCase):
    #: As much as fits.
    size = '# ' + 'x' * (yaml_document.MAX_BYTES - 4) + '\na'
    depth = '[' * 15 + 'a' + ']' * 15

    def test_as_much_as_fits(self):
        self.assertEqual('a', yaml_document.parse(self.size.encode()).data)
        found = yaml_document.parse(self.depth.encode()).data
        self.assertEqual('a', at(found, [0] * 15))

    @ddt.data(
        (f'{size}a', 1, 1, 'larger than 1048576 bytes'),
        (f'[{depth}]', 1, 17, 'nested deeper than 16 levels'),
        # Found early.
        ('[' * 1024 * 1024, 1, 17, 'nested deeper than 16 levels'),
        ('a: &a [ha]\nb: [*a, *a]', 1, 4, 'anchors (&name) are not allowed'),
    )
    @ddt.unpack
    def test_refused(self, text, line, column, message):
        exc = self.assertRaises(
            yaml_document.DocumentError, yaml_document.parse, text.encode()
        )
        self.assertEqual(
            (message, line, column), (str(exc), exc.line, exc.column)
        )
