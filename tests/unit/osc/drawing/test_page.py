# SPDX-License-Identifier: Apache-2.0

import collections
import dataclasses
from html import parser
from xml.etree import ElementTree

import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.osc.drawing import grid as grid_
from nova_mdev_compat.osc.drawing import page
from tests import picture_samples as samples


class Tags(parser.HTMLParser):
    """Counts tags and collects text, as a reader of HTML has them."""

    def __init__(self, text):
        super().__init__()
        self.tags = collections.Counter()
        self.texts = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1

    def handle_data(self, data):
        self.texts.append(data)


class PageTest(testtools.TestCase):
    def page(self, name, title='t'):
        found = samples.kinds_of(
            samples.host(name, samples.board()),
            samples.host('z', samples.board(ecc='off')),
        )
        grid = dataclasses.replace(samples.grid(found), title=title)
        return Tags(page.html(grid, ElementTree.Element('svg')))

    @hypothesis.given(st.text(), st.text())
    @hypothesis.example(samples.HOSTILE, samples.HOSTILE)
    @hypothesis.example('</td></title></style>', '<!--')
    def test_no_text_is_html(self, name, title):
        shown = self.page(name, title)
        self.assertEqual(self.page('host').tags, shown.tags)
        for text in filter(str.strip, map(grid_.printable, (name, title))):
            self.assertIn(text, ''.join(shown.texts))

    def test_tables(self):
        shown = self.page('host')
        texts = [text for text in shown.texts if text.strip()]
        start = texts.index('Because') + 1
        self.assertEqual(
            [
                'A',
                'A',
                '\N{EN DASH} same host only',
                '0',
                'all are on z; apart from that: accepts',
                'A',
                'B',
                '✗ refuses',
                '1',
                'ecc OFF is not equal to ON',
            ],
            texts[start : start + 10],
        )
