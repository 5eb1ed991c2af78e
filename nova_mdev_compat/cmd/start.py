# SPDX-License-Identifier: Apache-2.0
"""Entry points of the commands.

Each imports its command only when it runs, because the commands need different
packages.
"""

from collections.abc import Sequence
import importlib
import sys
import warnings

from nova_mdev_compat.core import exceptions


def start(
    prog: str, extra: str, module: str, argv: Sequence[str] | None = None
) -> int:
    """Run a command that needs an extra, and return its exit status.

    :param prog: its name
    :param extra: of this package
    :param module: has its ``main``
    :param argv: its arguments; None for those of this process
    """
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as exc:
        if (exc.name or '').partition('.')[0] == __name__.partition('.')[0]:
            raise  # the installation is broken, and no extra repairs it
        print(
            f"{prog}: {exc}: pip install 'nova-mdev-compat[{extra}]'",
            file=sys.stderr,
        )
        return exceptions.BadInput.exit_status
    status: int = found.main(sys.argv[1:] if argv is None else argv)
    return status


def annotator() -> int:
    """nova-mdev-annotator."""
    return start(
        'nova-mdev-annotator', 'collector', 'nova_mdev_compat.cmd.annotator'
    )


def collector() -> int:
    """nova-mdev-collector."""
    return start(
        'nova-mdev-collector', 'collector', 'nova_mdev_compat.cmd.collector'
    )


def rules(argv: Sequence[str] | None = None) -> int:
    """nova-mdev-rules."""
    return start('nova-mdev-rules', 'rules', 'nova_mdev_compat.cli.app', argv)


def guard(argv: Sequence[str] | None = None) -> int:
    """nova-mdev-guard, which needs no extra, and for which libvirt waits."""
    from nova_mdev_compat.late_check import hook  # noqa: PLC0415

    return hook.main(sys.argv[1:] if argv is None else argv)


def status(argv: Sequence[str] | None = None) -> int:
    """nova-mdev-compat-status, which runs in nova-scheduler's environment."""
    # An operator cannot change what Nova imports.
    warnings.filterwarnings('ignore', r'\s*Eventlet is deprecated')
    try:
        from nova_mdev_compat.checks import commands  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        # Nova is missing, or a package that Nova brings.
        print(
            f"nova-mdev-compat-status: {exc}: run it in nova-scheduler's "
            'environment',
            file=sys.stderr,
        )
        return exceptions.BadInput.exit_status
    return commands.main(sys.argv[1:] if argv is None else argv)
