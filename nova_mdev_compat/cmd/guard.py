# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-guard."""

from collections.abc import Sequence
import sys

from nova_mdev_compat.late_check import hook


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return hook.main(sys.argv[1:] if argv is None else argv)


if __name__ == '__main__':
    sys.exit(main())
