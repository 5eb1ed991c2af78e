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
from collections.abc import Iterable, Iterator, Sequence
import contextlib
import faulthandler
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
from nova_mdev_compat.conf import policy
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import verdict
from nova_mdev_compat.host import sysfs
from nova_mdev_compat.late_check import check
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file

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
#: How many seconds the system's log may take.
LOG_LIMIT = 1
#: Seconds until an alarm that went unheard comes again.
AGAIN = 0.2
#: A line for libvirt's error, whatever a domain says.
MAX_LINE = 2000

#: A line that sets an option, as oslo.config reads it.
_ASSIGNMENT = re.compile(
    r"""(?P<key>[^\s#;:=][^:=]*?)\s*[:=]\s*(['"]?)(?P<value>.*?)\2\s*"""
)


class Refused(Exception):
    """The domain may not come, whatever ``unknown`` says; and why."""


class WrongOptions(Refused):
    """Nor may it come before a person has put options right; and which."""


class Undecided(Exception):
    """It cannot be told whether the domain may come; the message says why."""


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
        help='Name of the domain; what happens to it, of which only "migrate" '
        'is looked at, and of that only "begin"; and what libvirt gives '
        'besides, which is not used.',
    )
    return found


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status.

    Whatever happens once the arguments are read is answered by the policy:
    libvirt takes any status but 0 for a refusal.
    """
    _end_after(options.TIME_LIMIT)
    try:
        paths, (domain, *operation) = _arguments(argv)
        if operation[:2] != ['migrate', 'begin']:
            return 0
        return _answer(paths, domain)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _arguments(
    argv: Sequence[str],
) -> tuple[list[pathlib.Path] | None, list[str]]:
    """Return configuration files, and what libvirt gives.

    What is behind the first ``--`` is libvirt's whatever it looks like; some
    versions of argparse take one more of them away.
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
    """End the process some time after a limit, whatever it is doing then."""
    # To the file descriptor: it works in another thread, without Python.
    faulthandler.dump_traceback_later(limit + LAST_WORD, exit=True, file=2)


def _answer(paths: list[pathlib.Path] | None, domain: str) -> int:
    """Check a domain, and tell libvirt why if it is refused.

    :returns: the exit status
    """
    mode, unknown = policy.ENFORCING, policy.REJECT
    status, allowed = 1, False
    try:
        with _time_limit(options.TIME_LIMIT):
            paths = paths or sorted(pathlib.Path(DIRECTORY).glob('*.conf'))
            conf, faults = read_options(paths)
            mode = mode_despite_faults(paths) if faults else conf.guard.mode
        if mode == policy.OFF:
            return 0
        if faults:
            raise WrongOptions('; '.join(faults))
        unknown = conf.guard.unknown
        with _time_limit(conf.guard.time_limit):
            look(conf, _standard_input())
    except WrongOptions as exc:
        text, status = f'configuration: {exc}', WRONG_OPTIONS
    except Refused as exc:
        text = f'incompatible: {exc}'
    except Exception as exc:
        text = f'unknown ([guard]unknown = {unknown}): {_say(exc)}'
        allowed = unknown == policy.ALLOW
    else:
        return 0
    text = f'domain {domain}: {text}'
    if allowed or mode == policy.PERMISSIVE:
        _log(f'let through: {text}')
        return 0
    _refuse(text)
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

    It is the way out in an emergency, so it counts whatever else is wrong.

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
    return mode if mode in policy.MODES else policy.ENFORCING


def _say(exc: Exception) -> str:
    if isinstance(exc, Undecided):
        return str(exc)
    # libvirt gets an answer, and the policy is kept, whatever it is.
    return f'{type(exc).__name__}: {exc}; this is a bug of {PROG}'


def _standard_input() -> bytes:
    """Return the domain's XML.

    :raises Undecided: there is none
    """
    # It is None where libvirt has closed it.
    text = sys.stdin.buffer.read(domain_xml.MAX_SIZE + 1) if sys.stdin else b''
    if not text:
        raise Undecided('there is no domain on standard input')
    return text


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise Undecided in what takes longer."""

    def too_long(*_: object) -> NoReturn:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise Undecided(
            f'it has taken more than {seconds} seconds ([guard]time_limit)'
        )

    _end_after(seconds)
    before = signal.signal(signal.SIGALRM, too_long)
    # Whoever has started this may have blocked it.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    # Again and again: a library may try a call again that it has interrupted.
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def look(conf: cfg.ConfigOpts, text: bytes) -> None:
    """Check a domain that is about to arrive; return if it may.

    :param text: its XML
    :raises Refused: it may not
    :raises Undecided: nobody can tell
    """
    try:
        domain = domain_xml.parse(text)
    except domain_xml.DomainError as exc:
        raise Refused(f'the domain: {exc}') from exc
    if not domain.uuids:
        return
    try:
        devices = devices_file.read_fresh(
            pathlib.Path(conf.collector.devices_file),
            conf.collector.devices_max_age,
            time.time(),
        )
    except files.FileError as exc:
        raise Undecided(str(exc)) from exc
    objections = check.check_domain(
        domain,
        [
            _target(conf.collector.sysfs_root, uuid, devices)
            for uuid in domain.uuids
        ],
    )
    if objections:
        known = objections[0].kind is verdict.Status.INCOMPATIBLE
        raise (Refused if known else Undecided)(
            '; '.join(objection.text for objection in objections)
        )


def _target(
    root: str, uuid: str, devices: devices_file.DevicesFile
) -> check.TargetMdev:
    try:
        place = sysfs.find_mdev(root, uuid)
        if place is None:
            why = f'mdev {uuid!r} is not on this host'
            return check.TargetMdev(uuid, '', '', None, why)
        return check.TargetMdev(
            uuid,
            place.device,
            identity.canonical(place.type),
            devices.devices.get(place.device),
        )
    except (OSError, identity.IdentityError) as exc:
        return check.TargetMdev(uuid, '', '', None, f'mdev {uuid}: {exc}')


def _refuse(text: str) -> None:
    line = f'refused: {text}'
    # First, as libvirt waits for it. It may have closed it; then nobody reads
    # why.
    if sys.stderr:
        with contextlib.suppress(OSError, ValueError):
            print(f'{PROG}: {_printable(line)}', file=sys.stderr, flush=True)
    _log(line)


def _log(text: str) -> None:
    """Tell the system's log, as libvirt tells only what ends a migration.

    An answer does not depend on a log that is away, or full.
    """
    with contextlib.suppress(Exception), _time_limit(LOG_LIMIT):
        syslog.openlog(PROG)
        syslog.syslog(syslog.LOG_WARNING, _printable(text))


def _printable(text: str) -> str:
    """Return a text in one line, which is not endless.

    Names of domains, paths and what files say are whatever bytes they are.
    """
    line = ' '.join(text.split())[:MAX_LINE]
    return ''.join(
        one if one.isprintable() else one.encode('unicode_escape').decode()
        for one in line
    )[:MAX_LINE]
