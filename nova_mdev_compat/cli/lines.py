# SPDX-License-Identifier: Apache-2.0
"""One line for each finding, as compilers print them and editors jump to."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from cliff.formatters import base


class LinesFormatter(base.ListFormatter):
    """``file:line:column: level: rule 'name': message``.

    The columns are those of "nova-mdev-rules validate"; those left out with
    --column are left out.
    """

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Take no options of its own."""

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        for row in data:
            finding = dict(zip(column_names, row, strict=True))
            place = [
                finding[name]
                for name in ('File', 'Line', 'Column')
                if finding.get(name) is not None
            ]
            words = [':'.join(map(str, place))] if place else []
            if finding.get('Level'):
                words.append(finding['Level'])
            if finding.get('Rule'):
                words.append(f'rule {finding["Rule"]}')
            if finding.get('Message'):
                words.append(finding['Message'])
            stdout.write(': '.join(words) + '\n')
