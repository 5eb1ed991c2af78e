# SPDX-License-Identifier: Apache-2.0
"""The check of built pages finds what it is for."""

import pathlib
import subprocess
import sys

import ddt
import fixtures
import testtools

from tests.unit import samples

TOOL = samples.ROOT / 'tools' / 'check_html.py'
GOOD = """
<h1 id="top">Title</h1>
<table><thead><tr><th></th><th>b</th></tr></thead>
<tr><td rowspan="2">one</td><td>two</td></tr><tr><td>three</td></tr>
<tr><td colspan="2">four</td></tr></table>
<a href="#top">up</a> <a href="other.html#there">there</a>
<a href="https://example.org/nothing#here">elsewhere</a>
<img src="picture%20one.svg">
<p>as <code>``--exit-code``</code></p>
<pre>$ command
=======
+----+
| Id |
+----+</pre>
"""


@ddt.ddt
class CheckHtmlTest(testtools.TestCase):
    def check(self, body):
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (home / 'page.html').write_text(f'<html><body>{body}</body></html>')
        (home / 'other.html').write_text('<html><p id="there">x</p></html>')
        (home / 'picture one.svg').write_text('<svg/>')
        (home / '_static').mkdir()
        (home / '_static' / 'foreign.html').write_text('<a href="no">x</a>')
        done = subprocess.run(
            [sys.executable, TOOL, home],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual('', done.stderr)
        self.assertEqual(bool(done.stdout), bool(done.returncode))
        return done.stdout

    def test_good(self):
        self.assertEqual('', self.check(GOOD))

    @ddt.data(
        (
            '<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>',
            'page.html: 1 cells instead of 2: c\n',
        ),
        (
            # As docutils makes of a simple table whose first cell wraps.
            '<table><tr><td>a long</td><td>b</td></tr>'
            '<tr><td><p> </p></td><td>text of b</td></tr></table>',
            'page.html: empty first cell:  | text of b\n',
        ),
        (
            f'<table><tr><td>a</td><td>{"x" * 95}</td></tr></table>',
            'page.html: table of 100 characters, 96 fit: a | ',
        ),
        (
            f'<div class="w"><pre>text\n| {"-" * 100} |</pre></div>',
            'page.html: literal of 104 characters, 90 fit: | ---',
        ),
        (
            f'<div class="a wide"><pre>| {"-" * 150} |</pre></div>',
            'page.html: literal of 154 characters, 119 fit: | ---',
        ),
        (
            f'<pre>{"x" * 121}</pre>',
            'page.html: literal of 121 characters, 120 fit: xxx',
        ),
        ('<a href="gone.html">x</a>', 'leads nowhere: gone.html\n'),
        ('<img src="_images/a.svg">', '<img> leads nowhere: _images/a.svg\n'),
        ('<a href="#nowhere">x</a>', 'no such place: #nowhere\n'),
        ('<a href="other.html#no">x</a>', 'no such place: other.html#no\n'),
        ('<p>The end.\n=======</p>', 'in the text: The end. =======\n'),
        ('<td>see :doc:`page`</td>', 'in the text: see :doc:`page`\n'),
    )
    @ddt.unpack
    def test_bad(self, body, finding):
        shown = self.check(body)
        self.assertIn(finding, shown)
        self.assertEqual(1, shown.count('\n'), shown)

    def test_wide_output_has_small_letters(self):
        self.assertEqual(
            '',
            self.check(f'<div class="wide"><pre>| {"-" * 110} |</pre></div>'),
        )

    def test_no_build(self):
        home = self.useFixture(fixtures.TempDir()).path
        done = subprocess.run(
            [sys.executable, TOOL, home],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(1, done.returncode)
        self.assertIn('there are no pages', done.stdout)
