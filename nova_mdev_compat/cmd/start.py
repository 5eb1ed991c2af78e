# SPDX-License-Identifier: Apache-2.0
"""Entry points of the commands for which an extra has to be installed."""

from collections.abc import Sequence
import importlib
import sys

from nova_mdev_compat.core import exceptions


def start(
    prog: str, extra: str, module: str, argv: Sequence[str] | None = None
) -> int:
    """Run a command and return its exit status.

    :param prog: its name
    :param extra: of this package, which brings what the module imports
    :param module: has its ``main``
    :param argv: its arguments; those of this process where it is None
    """
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as exc:
        if (exc.name or '').partition('.')[0] == __name__.partition('.')[0]:
            raise  # the installation is broken, and no extra mends that
        print(
            f"{prog}: {exc}: pip install 'nova-mdev-compat[{extra}]'",
            file=sys.stderr,
        )
        return exceptions.BadInput.exit_status
    status: int = found.main(sys.argv[1:] if argv is None else argv)
    return status


def annotator() -> int:
    return start(
        'nova-mdev-annotator', 'collector', 'nova_mdev_compat.cmd.annotator'
    )


def collector() -> int:
    return start(
        'nova-mdev-collector', 'collector', 'nova_mdev_compat.cmd.collector'
    )
