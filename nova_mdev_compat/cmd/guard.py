# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-guard."""

from collections.abc import Sequence
import sys


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    # Not before: libvirt waits while Python imports.
    from nova_mdev_compat.guard import hook  # noqa: PLC0415
    return hook.main(sys.argv[1:] if argv is None else argv)


if __name__ == '__main__':
    sys.exit(main())
