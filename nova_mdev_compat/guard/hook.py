# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-guard: what libvirt asks before a domain arrives.

libvirt calls it on the destination of a live migration, before anything is
made there or moved (``qemuMigrationDstPrepareAny``), and ends the migration
where the status is not 0; what it has written to stderr becomes a part of
libvirt's error. An empty standard output leaves the domain as it is.

Everything that libvirt waits for is here: no plugin, no rule file, no service
is asked.
"""

import argparse
from collections.abc import Iterator, Sequence
import contextlib
import faulthandler
import pathlib
import signal
import sys
import syslog
import time
from typing import NoReturn

from nova_mdev_compat.guard import decision
from nova_mdev_compat.guard import device_file
from nova_mdev_compat.guard import incoming
from nova_mdev_compat.guard import options
from nova_mdev_compat.guard import sysfs
from nova_mdev_compat import identity as ident
from nova_mdev_compat import policy
from nova_mdev_compat import verdict

PROG = 'nova-mdev-guard'
DESCRIPTION = """\
Refuse a live migration to this host if the domain's mdevs come from devices
that those of this host do not accept. A hook of libvirt calls it."""

EPILOG = """\
It reads the domain's XML from standard input, and says nothing where the
domain may come. Where it may not, it writes one line to standard error and
ends with 1, and with 2 where its options have to be put right. It can be tried
by hand: virsh dumpxml --migratable DOMAIN | nova-mdev-guard DOMAIN migrate
begin"""

#: Where every *.conf is read, in alphabetical order.
DIRECTORY = '/etc/nova-mdev-compat'
#: How many seconds after its limit the process is ended.
LAST_WORD = 2
#: Exit status where a person has to put something right first.
WRONG_OPTIONS = 2
#: A line for libvirt's error, whatever a domain says.
MAX_LINE = 2000


class Refused(Exception):
    """The domain may not come, whatever the policy; the message says why."""


class Unknown(Exception):
    """It cannot be told whether the domain may come; the message says why."""


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments: those that libvirt gives, and files."""
    found = argparse.ArgumentParser(PROG, description=DESCRIPTION,
                                    epilog=EPILOG)
    found.add_argument(
        '--config-file', metavar='PATH', action='append', type=pathlib.Path,
        help=f'Read this, and more that are given likewise, instead of every '
             f'*.conf in {DIRECTORY}.')
    found.add_argument('domain', help='Name of the domain.')
    found.add_argument('operation', help='What happens to it; only "migrate" '
                       'is looked at.')
    found.add_argument('suboperation', help='Which part of that; only '
                       '"begin" is looked at.')
    found.add_argument('extra', nargs='?', help='Given by libvirt, not used.')
    return found


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    _end_after(options.Options.time_limit)
    try:
        args = parser().parse_args(argv)
        files = args.config_file or sorted(
            pathlib.Path(DIRECTORY).glob('*.conf'))
        return _run(options.read(files), args)
    except options.OptionError as exc:
        return _refuse(f'configuration: {exc}', WRONG_OPTIONS)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _end_after(limit: int) -> None:
    """End the process some time after a limit, whatever it is doing then."""
    # To the file descriptor: it works in another thread, without Python.
    faulthandler.dump_traceback_later(limit + LAST_WORD, exit=True, file=2)


def _run(conf: options.Options, args: argparse.Namespace) -> int:
    asked = (args.operation, args.suboperation) == ('migrate', 'begin')
    if not asked or conf.mode == policy.OFF:
        return 0
    try:
        with _time_limit(conf.time_limit):
            look(conf, sys.stdin.buffer.read(incoming.MAX_SIZE + 1))
    except Refused as exc:
        text, allowed = f'incompatible: {exc}', False
    except Exception as exc:
        text = f'unknown ([guard]unknown = {conf.unknown}): {_say(exc)}'
        allowed = conf.unknown == policy.ALLOW
    else:
        return 0
    text = f'domain {args.domain}: {text}'
    if allowed or conf.mode == policy.PERMISSIVE:
        return _let_through(text)
    return _refuse(text)


def _say(exc: Exception) -> str:
    if isinstance(exc, Unknown):
        return str(exc)
    # libvirt gets an answer, and the policy is kept, whatever it is.
    return f'{type(exc).__name__}: {exc}; this is a bug of {PROG}'


@contextlib.contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    """Raise Unknown in what takes longer."""
    def too_long(*_: object) -> NoReturn:
        raise Unknown(f'it has taken more than {seconds} seconds '
                      '([guard]time_limit)')

    _end_after(seconds)
    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def look(conf: options.Options, text: bytes) -> None:
    """Look at a domain that is to come; return where it may.

    :param text: its XML
    :raises Refused: it may not
    :raises Unknown: nobody can tell
    """
    try:
        domain = incoming.parse(text)
    except incoming.DomainError as exc:
        raise Refused(f'the domain: {exc}') from exc
    if not domain.uuids:
        return
    try:
        devices = device_file.read_fresh(pathlib.Path(conf.devices_file),
                                         conf.devices_max_age, time.time())
    except device_file.DeviceFileError as exc:
        raise Unknown(str(exc)) from exc
    findings = decision.judge(domain, [
        _target(conf.sysfs_root, uuid, devices)
        for uuid in domain.uuids])
    if findings:
        known = findings[0].kind is verdict.Kind.INCOMPATIBLE
        raise (Refused if known else Unknown)(
            '; '.join(finding.text for finding in findings))


def _target(root: str, uuid: str,
            devices: device_file.Devices) -> decision.Target:
    try:
        place = sysfs.find(root, uuid)
        if place is None:
            why = f'mdev {uuid!r} is not on this host'
            return decision.Target(uuid, '', '', None, why)
        return decision.Target(uuid, place.device, ident.canonical(place.type),
                               devices.devices.get(place.device))
    except (OSError, ident.IdentityError) as exc:
        return decision.Target(uuid, '', '', None, f'mdev {uuid}: {exc}')


def _let_through(text: str) -> int:
    _log(f'let through: {text}')
    return 0


def _refuse(text: str, status: int = 1) -> int:
    print(f'{PROG}: {_log(f"refused: {text}")}', file=sys.stderr)
    return status


def _log(text: str) -> str:
    """Tell the system's log, as libvirt tells only what ends a migration.

    :returns: it, in one line
    """
    line = ' '.join(text.split())[:MAX_LINE]
    syslog.openlog(PROG)
    syslog.syslog(syslog.LOG_WARNING, line)
    return line
