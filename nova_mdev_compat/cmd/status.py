# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-compat-status."""

from collections.abc import Sequence
import sys
import warnings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    # That Nova still imports it is nothing that a check could change.
    warnings.filterwarnings('ignore', r'\s*Eventlet is deprecated')
    try:
        from nova_mdev_compat.checks import commands  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        # Of Nova, or of what Nova brings.
        print(
            f"nova-mdev-compat-status: {exc}: run it in nova-scheduler's "
            'environment',
            file=sys.stderr,
        )
        return 2
    return commands.main(sys.argv[1:] if argv is None else argv)


if __name__ == '__main__':
    sys.exit(main())
