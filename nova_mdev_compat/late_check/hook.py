# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-guard: the hook that libvirt calls before a domain arrives.

libvirt calls it on the destination of a live migration, before it creates or
moves anything (``qemuMigrationDstPrepareAny``). A status other than 0 ends the
migration, and the text on stderr becomes part of libvirt's error. An empty
standard output leaves the domain as it is.

libvirt waits for it, so it asks no plugin, no service and reads no rule file.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
import contextlib
import dataclasses
import faulthandler
import io
import os
import pathlib
import re
import signal
import sys
import syslog
import time
from typing import NoReturn

from oslo_config import cfg

from nova_mdev_compat.common import files
from nova_mdev_compat.conf import errors
from nova_mdev_compat.conf import guard as options
from nova_mdev_compat.conf import mdev_compat
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import verdict
from nova_mdev_compat.host import sysfs
from nova_mdev_compat.late_check import check
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file

PROG = 'nova-mdev-guard'
DESCRIPTION = """\
Refuse a live migration to this host if the domain's mdevs, or its virtual
functions with a VFIO variant driver, come from devices that those of this host
do not accept. A hook of libvirt calls it."""

EPILOG = """\
It reads the domain's XML from standard input. If the domain may come, it
prints nothing and ends with 0. If not, it writes one line to standard error
and ends with 1, or with 2 if its options have to be corrected. To try it by
hand: virsh dumpxml --migratable DOMAIN | nova-mdev-guard DOMAIN migrate begin"""

#: Where every *.conf is read, in alphabetical order.
DIRECTORY = '/etc/nova-mdev-compat'
#: Exit status if an operator has to correct options first.
WRONG_OPTIONS = 2
#: In seconds: from the time limit to the end of the process; for writing to
#: the system's log; between two signals of the timer.
GRACE, LOG_LIMIT, AGAIN = 2, 1, 0.2
#: Characters of a line in libvirt's error.
MAX_LINE = 2000

#: A line that sets an option, as oslo.config reads it.
_ASSIGNMENT = re.compile(
    r"""(?P<key>[^\s#;:=][^:=]*?)\s*[:=]\s*(['"]?)(?P<value>.*?)\2\s*"""
)


class Refused(Exception):
    """Why the domain may not come, whatever ``[guard]unknown`` is."""


class WrongOptions(Refused):
    """Which options an operator has to correct before any domain may come."""


class Undecided(Exception):
    """Why it is unknown whether the domain may come."""


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments: those that libvirt gives, and files."""
    found = argparse.ArgumentParser(
        PROG,
        description=DESCRIPTION,
        epilog=EPILOG,
        usage=(
            '%(prog)s [-h] [--config-file PATH] [--] domain operation '
            'suboperation [extra ...]'
        ),
    )
    found.add_argument(
        '--config-file',
        metavar='PATH',
        action='append',
        type=pathlib.Path,
        help=f'Read this, and more that are given likewise, instead of every '
        f'*.conf in {DIRECTORY}.',
    )
    found.add_argument(
        'given',
        nargs='*',
        metavar='domain operation suboperation extra',
        help='Name of the domain, operation and sub-operation. Only "migrate '
        'begin" is checked; further arguments are ignored.',
    )
    return found


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status.

    After the arguments are read, the policy decides about every error:
    libvirt takes any status but 0 for a refusal.
    """
    _end_after(options.TIME_LIMIT)
    try:
        paths, (domain, *operation) = _arguments(argv)
        checked = operation[:2] == ['migrate', 'begin']
        return _answer(paths, domain) if checked else 0
    finally:
        faulthandler.cancel_dump_traceback_later()


def _arguments(
    argv: Sequence[str],
) -> tuple[list[pathlib.Path] | None, list[str]]:
    """Return configuration files, and the arguments that libvirt gives.

    All after the first ``--`` is libvirt's. Some versions of argparse would
    remove a second ``--``.
    """
    found, argv, verbatim = parser(), list(argv), []
    if '--' in argv:
        cut = argv.index('--')
        argv, verbatim = argv[:cut], argv[cut + 1 :]
    args = found.parse_args(argv)
    given = [*args.given, *verbatim]
    if len(given) < 3:
        found.error('domain, operation and suboperation are needed')
    return args.config_file, given


def _end_after(limit: float) -> None:
    """End the process GRACE seconds after a limit, whatever it does."""
    # To the file descriptor: another thread writes, without Python.
    faulthandler.dump_traceback_later(limit + GRACE, exit=True, file=2)


def _answer(paths: list[pathlib.Path] | None, domain: str) -> int:
    """Check a domain, and report to libvirt why it is refused.

    :returns: the exit status
    """
    mode, unknown = mdev_compat.ENFORCING, mdev_compat.REJECT
    status, allowed = 1, False
    try:
        with _time_limit(options.TIME_LIMIT):
            paths = paths or sorted(pathlib.Path(DIRECTORY).glob('*.conf'))
            conf, faults = read_options(paths)
            mode = mode_despite_faults(paths) if faults else conf.guard.mode
        if mode == options.OFF:
            return 0
        if faults:
            raise WrongOptions('; '.join(faults))
        unknown = conf.guard.unknown
        with _time_limit(conf.guard.time_limit):
            # libvirt may have closed it; then it is None.
            stdin = sys.stdin.buffer if sys.stdin else io.BytesIO()
            look(conf, stdin.read(domain_xml.MAX_SIZE + 1))
    except WrongOptions as exc:
        text, status = f'configuration: {exc}', WRONG_OPTIONS
    except Refused as exc:
        text = f'incompatible: {exc}'
    except Exception as exc:
        # libvirt gets an answer, and the policy holds, after any error.
        bug = f'{type(exc).__name__}: {exc}; this is a bug in {PROG}'
        why = str(exc) if isinstance(exc, Undecided) else bug
        text = f'unknown ([guard]unknown = {unknown}): {why}'
        allowed = unknown == mdev_compat.ALLOW
    else:
        return 0
    if allowed or mode == mdev_compat.PERMISSIVE:
        _log(f'let through: domain {domain}: {text}')
        return 0
    _refuse(f'refused: domain {domain}: {text}')
    return status


def read_options(
    paths: Iterable[pathlib.Path],
) -> tuple[cfg.ConfigOpts, list[str]]:
    """Read configuration files.

    :returns: options; and what is wrong, each with its file. If anything is
        wrong, the options of that file are not among the options.
    """
    good, faults = [], []
    for path in paths:
        try:
            found = list(_wrong_values(_load([path])))
        except UnicodeDecodeError as exc:
            found = [f'{path} is not in UTF-8: {exc}']
        except OSError as exc:
            found = [f'{path}: {exc.strerror}']
        except cfg.Error as exc:
            found = [errors.describe(exc)]
        faults += [
            text if str(path) in text else f'{path}: {text}' for text in found
        ]
        if not found:
            good.append(path)
    return _load(good), faults


def _load(paths: Iterable[pathlib.Path]) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    # The environment is libvirt's.
    conf(
        [],
        prog=PROG,
        use_env=False,
        default_config_dirs=[],
        default_config_files=[str(path) for path in paths],
    )
    return conf


def _wrong_values(conf: cfg.ConfigOpts) -> Iterator[str]:
    for group, names in options.READ.items():
        wrong = list(errors.wrong_values(conf, group, names))
        yield from wrong
        for name in () if wrong else names:
            if not str(conf[group][name]).isprintable():
                yield (
                    f'[{group}]{name} = {conf[group][name]}: it has a '
                    'character that cannot be printed'
                )


def mode_despite_faults(paths: Iterable[pathlib.Path]) -> str:
    """Return [guard]mode of files that oslo.config does not read.

    ``off`` is the way out in an emergency, so other faults do not matter.

    :returns: the last one; ``enforcing`` if there is none, or if that is wrong
    """
    mode = ''
    for path in paths:
        section = key = ''
        with contextlib.suppress(OSError):
            text = path.read_text('utf-8', 'surrogateescape')
            for line in text.split('\n'):
                match = _ASSIGNMENT.fullmatch(line)
                if line.startswith('['):
                    section = line.strip()
                elif match and section == f'[{options.GROUP.name}]':
                    key = match['key']
                    mode = match['value'] if key == 'mode' else mode
                elif line[:1].isspace() and line.strip() and key == 'mode':
                    mode = ''  # a value of several lines
    return mode if mode in options.MODES else mdev_compat.ENFORCING


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise Undecided when the body takes longer."""

    def too_long(*_: object) -> NoReturn:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise Undecided(
            f'it has taken more than {seconds} seconds ([guard]time_limit)'
        )

    _end_after(seconds)
    before = signal.signal(signal.SIGALRM, too_long)
    # The parent process may have blocked the signal.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    # Repeatedly: a library may retry a call that the signal interrupted.
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def look(conf: cfg.ConfigOpts, text: bytes) -> None:
    """Return if a domain may arrive.

    :param text: its XML
    :raises Refused: it may not
    :raises Undecided: it is unknown
    """
    if not text:
        raise Undecided('there is no domain on standard input')
    collector = conf.collector
    try:
        domain = domain_xml.parse(text)
        functions = _functions(collector.sysfs_root, domain.addresses)
        # Sources without any function here are an error, too.
        if not (
            domain.uuids
            or functions
            or (domain.addresses and domain.annotated_functions)
        ):
            return
        devices = devices_file.read_fresh(
            pathlib.Path(collector.devices_file),
            collector.devices_max_age,
            time.time(),
        )
    except domain_xml.DomainError as exc:
        raise Refused(f'the domain: {exc}') from exc
    except files.FileError as exc:
        raise Undecided(str(exc)) from exc
    targets = [
        *(_mdev(collector.sysfs_root, uuid) for uuid in domain.uuids),
        *functions,
    ]
    objections = check.check_domain(
        domain,
        [
            dataclasses.replace(
                target, device=devices.devices.get(target.parent)
            )
            for target in targets
        ],
    )
    if objections:
        known = objections[0].kind is verdict.Status.INCOMPATIBLE
        raise (Refused if known else Undecided)(
            '; '.join(objection.text for objection in objections)
        )


def _functions(
    root: str, addresses: Sequence[str]
) -> list[check.TargetDevice]:
    """Return those of a domain's PCI devices that have a variant driver."""
    if not addresses:
        return []
    # Most domains have no such device, and libvirt waits for the import.
    from nova_mdev_compat.host import vfio  # noqa: PLC0415

    targets = []
    for address in addresses:
        target = check.TargetDevice(address, framework=identity.VFIO)
        try:
            found = vfio.find_function(root, address)
            if found is None:
                continue
            target = dataclasses.replace(
                target,
                parent=found.physical,
                type=identity.canonical(found.type) if found.type else '',
                why_no_type=found.why_no_type,
            )
        except (sysfs.SysfsError, identity.IdentityError) as exc:
            why = f'{target.label}: {exc}'
            target = dataclasses.replace(target, why=why)
        targets.append(target)
    return targets


def _mdev(root: str, uuid: str) -> check.TargetDevice:
    try:
        place = sysfs.find_mdev(root, uuid)
        if place is None:
            why = f'mdev {uuid!r} is not on this host'
            return check.TargetDevice(uuid, why=why)
        return check.TargetDevice(
            uuid,
            place.device,
            identity.canonical(place.type),
        )
    except (OSError, identity.IdentityError) as exc:
        return check.TargetDevice(uuid, why=f'mdev {uuid}: {exc}')


def _refuse(line: str) -> None:
    # First, because libvirt waits for it. libvirt may have closed it.
    if sys.stderr:
        try:
            print(f'{PROG}: {_printable(line)}', file=sys.stderr, flush=True)
        except (OSError, ValueError):
            # Python would fail to write it again at its end, and exit with
            # 120 instead of the guard's status.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    _log(line)


def _log(text: str) -> None:
    """Write to the system's log; libvirt logs only what ends a migration.

    The answer does not depend on a log that is missing or full.
    """
    with contextlib.suppress(Exception), _time_limit(LOG_LIMIT):
        syslog.openlog(PROG)
        syslog.syslog(syslog.LOG_WARNING, _printable(text))


def _printable(text: str) -> str:
    """Return a text as one printable line of at most MAX_LINE characters.

    Names of domains, paths and contents of files may have any bytes.
    """
    line = ' '.join(text.split())[:MAX_LINE]
    return ''.join(
        one if one.isprintable() else one.encode('unicode_escape').decode()
        for one in line
    )[:MAX_LINE]
