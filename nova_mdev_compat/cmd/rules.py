# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-rules."""

from collections.abc import Sequence

from nova_mdev_compat.cmd import start


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return start.start(
        'nova-mdev-rules', 'rules', 'nova_mdev_compat.cli.app', argv
    )
