# SPDX-License-Identifier: Apache-2.0

import logging
import os
import pathlib
import subprocess
import sys
import textwrap

import ddt
import fixtures
import matplotlib
import testtools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.osc import picture
from tests import picture_samples as samples


class PictureTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def left(self):
        """Return what is in the directory."""
        return sorted(path.name for path in self.home.iterdir())


@ddt.ddt
class WriteTest(PictureTestCase):
    def refuse(self, path):
        """Return what write says to a path."""
        return str(
            self.assertRaises(
                exceptions.BadInput, samples.write, path, samples.one()
            )
        )

    @ddt.data('matrix.pdf', 'matrix', 'svg', 'matrix.svg.gz', '.svg')
    def test_other_formats(self, name):
        self.assertEqual(
            f'{self.home / name}: a picture ends in .svg, .png or .html, '
            'which says its format',
            self.refuse(self.home / name),
        )

    def test_capital_letters(self):
        samples.write(self.home / 'MATRIX.SVG', samples.one())
        self.assertEqual(['MATRIX.SVG'], self.left())

    def test_no_directory(self):
        (self.home / 'file').touch()
        for name, why in (
            ('no', 'No such file or directory'),
            ('file', 'Not a directory'),
        ):
            path = self.home / name / 'matrix.svg'
            self.assertEqual(
                f'{path}: nothing can be written to directory {path.parent}: '
                f'{why}',
                self.refuse(path),
            )

    def test_a_directory_as_a_file(self):
        (self.home / 'matrix.svg').mkdir()
        self.assertEqual(
            f'{self.home / "matrix.svg"} is a directory: name a file',
            self.refuse(self.home / 'matrix.svg'),
        )

    def test_not_writable(self):
        self.home.chmod(0o555)
        if os.geteuid() == 0:  # who may write everywhere
            self.addCleanup(os.seteuid, 0)
            os.seteuid(65534)
        self.assertTrue(
            self.refuse(self.home / 'matrix.svg').endswith(
                f'to directory {self.home}: Permission denied'
            )
        )

    def test_what_the_system_refuses(self):
        path = self.home / f'{"x" * 300}.svg'
        self.assertEqual(
            f'{path} cannot be written: File name too long',
            str(
                self.assertRaises(
                    exceptions.Failure, samples.write, path, samples.one()
                )
            ),
        )
        self.assertEqual([], self.left())

    def test_whole_or_not_at_all(self):
        path = self.home / 'matrix.svg'
        path.write_text('before')
        # Nothing that write is given makes drawing fail.
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_mdev_compat.osc.drawing.formats.draw', _fail
            )
        )
        self.assertRaises(
            ZeroDivisionError, samples.write, path, samples.one()
        )
        self.assertEqual('before', path.read_text())
        self.assertEqual(['matrix.svg'], self.left())

    def test_it_takes_the_place_of_another(self):
        path = self.home / 'matrix.svg'
        path.write_text('before')
        samples.write(path, samples.one())
        self.assertIn('<svg ', path.read_text())

    def test_umask(self):
        self.addCleanup(os.umask, os.umask(0o027))
        path = samples.write(self.home / 'matrix.svg', samples.one())
        self.assertEqual(0o640, path.stat().st_mode & 0o777)

    def test_settings_stay_as_they_were(self):
        before = dict(matplotlib.rcParams)
        logger = logging.getLogger('matplotlib')
        level = logger.level
        samples.write(self.home / 'matrix.svg', samples.one())
        self.assertEqual(before, dict(matplotlib.rcParams))
        self.assertEqual(level, logger.level)


def _fail(grid, suffix):
    raise ZeroDivisionError


class ProcessTest(PictureTestCase):
    """In a process of its own: what is imported, printed, configured."""

    def run_python(self, code, **environment):
        """Run code that has nothing to say; return the directory."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(('MPL', 'MATPLOTLIB', 'XDG_'))
        }
        done = subprocess.run(
            [sys.executable, '-c', textwrap.dedent(code)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=pathlib.Path(__file__).parents[3],
            env={**kept, 'OUT': str(self.home), **environment},
        )
        self.assertEqual(
            (0, '', ''), (done.returncode, done.stdout, done.stderr)
        )

    def samples_in(self, name, **environment):
        """Return what the samples are, drawn in another process."""
        self.run_python(
            f"""
            import os
            from tests import picture_samples
            picture_samples.main(os.environ['OUT'] + '/{name}', 'mixed')
            """,
            **environment,
        )
        return {
            path.name: path.read_bytes()
            for path in (self.home / name).iterdir()
        }

    def test_the_same_bytes(self):
        """Whatever the order of hashes, and whatever somebody configured."""
        (self.home / 'matplotlibrc').write_text(
            textwrap.dedent("""\
            text.usetex: True
            svg.fonttype: path
            savefig.dpi: 20
            savefig.facecolor: red
            font.family: serif
            """)
        )
        found = self.samples_in('1', PYTHONHASHSEED='1')
        self.assertEqual(
            {'mixed' + suffix for suffix in picture.FORMATS}, set(found)
        )
        self.assertEqual(
            found,
            self.samples_in(
                '2',
                PYTHONHASHSEED='2',
                MATPLOTLIBRC=str(self.home),
                SOURCE_DATE_EPOCH='1',
            ),
        )

    def test_no_home(self):
        """Nor a word about it, nor about letters that the font lacks."""
        self.run_python(
            """
            import logging, os, pathlib
            from tests import picture_samples
            logging.basicConfig(level=logging.INFO)
            home = pathlib.Path(os.environ['OUT'])
            for suffix in ('svg', 'png', 'html'):
                picture_samples.write(home / f'matrix.{suffix}',
                                      picture_samples.one(), '\u4e2d')
            """,
            HOME='/proc/none',
        )
        self.assertEqual(3, len(self.left()))

    def test_without_matplotlib(self):
        self.run_python("""
            import os, pathlib, sys
            sys.modules['matplotlib'] = None
            from nova_mdev_compat import exceptions
            from nova_mdev_compat.osc import picture
            for do in (picture.check, lambda path: picture.write(
                    path, (), (), 't')):
                try:
                    do(pathlib.Path(os.environ['OUT'], 'matrix.svg'))
                except exceptions.BadInput as exc:
                    assert str(exc) == (
                        'a picture needs matplotlib (import of matplotlib '
                        'halted; None in sys.modules): pip install '
                        "'nova-mdev-compat[picture]'"), exc
                else:
                    raise AssertionError
            """)
        self.assertEqual([], self.left())

    def test_what_is_not_needed_is_not_loaded(self):
        self.run_python("""
            import sys
            from nova_mdev_compat.osc import picture
            loaded = {name.partition('.')[0] for name in sys.modules}
            assert loaded.isdisjoint(
                {'matplotlib', 'numpy', 'fontTools', 'PIL'}), loaded
            """)
