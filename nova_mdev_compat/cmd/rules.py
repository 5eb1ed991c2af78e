# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-rules."""

from collections.abc import Sequence
import sys


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    try:
        from nova_mdev_compat.cli import app  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        # Of the packages that only the extra brings.
        print(f'nova-mdev-rules: {exc}: pip install '
              "'nova-mdev-compat[rules]'", file=sys.stderr)
        return 2
    return app.main(sys.argv[1:] if argv is None else argv)
