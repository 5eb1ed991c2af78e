# SPDX-License-Identifier: Apache-2.0
"""Configuration files and logging of all commands that read nova.conf.

The logging options in nova.conf are for the environment of nova-compute or
nova-scheduler, and may not work here.
"""

from collections.abc import Iterable, Mapping, Sequence
import importlib
import itertools
import logging as python_logging
import os
import sys
import traceback
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.conf import errors
from nova_mdev_compat.core import exceptions

LOG = logging.getLogger(__name__)

#: Options of oslo.log whose values may not work, in the order in which they
#: are tried, each with a value that works.
_SUSPECTS: Mapping[str, Any] = {
    'log_config_append': None,
    # Before log_file, without which it has no effect.
    'log_rotate_interval': 1,
    'log_file': None,
    'log_dir': None,
    'syslog_log_facility': 'LOG_USER',
    'default_log_levels': [],
    'rate_limit_except_level': 'CRITICAL',
    'log_date_format': '%H:%M:%S',
    'logging_default_format_string': '%(message)s',
    'logging_debug_format_suffix': '',
    'logging_exception_prefix': '',
}


class CommandOptions(cfg.ConfigOpts):
    """Options that are checked only when they are read.

    oslo.config checks all that could be arguments as it reads the files, and
    ends the process: a wrong ``debug`` in nova.conf would end any command.
    """

    def _validate_cli_options(self, namespace: Any) -> None:
        pass


def without_shell_completion(conf: cfg.ConfigOpts) -> None:
    """Remove an option of oslo.config that does not work.

    It needs a template that oslo.config's wheels lack
    (``ConfigOpts._print_shell_completion``). Older releases have no such
    option.
    """
    option = getattr(conf, '_shell_completion_opt', None)
    if option is not None:
        conf.unregister_opt(option)
        # oslo.config also looks for it before it parses anything.
        conf.supported_shell_completion = []


def read(conf: cfg.ConfigOpts, argv: Sequence[str], **how: Any) -> None:
    """Read a command line, and the configuration files that it names.

    :param how: further arguments of oslo.config
    :raises oslo_config.cfg.Error: a file or an option is wrong
    :raises exceptions.BadInput: a file cannot be read
    :raises SystemExit: an argument is wrong, or asked for help
    """
    try:
        conf(list(argv), **how)
    except UnicodeDecodeError as exc:
        raise exceptions.BadInput(
            f'{_file_of(exc)} is not in UTF-8: {exc}'
        ) from exc
    except OSError as exc:
        raise exceptions.BadInput(f'{exc.filename}: {exc.strerror}') from exc


def _file_of(exc: UnicodeDecodeError) -> str:
    """Return which file was being parsed; the error does not name it."""
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        parser = frame.f_locals.get('self')
        if isinstance(parser, cfg.ConfigParser):
            return str(parser.filename)
    return 'a configuration file'


def check_values(
    conf: cfg.ConfigOpts, group: cfg.OptGroup, opts: Iterable[cfg.Opt]
) -> None:
    """Read all options of a group.

    :raises exceptions.BadInput: an option has a wrong value
    """
    wrong = list(
        errors.wrong_values(conf, group.name, [option.dest for option in opts])
    )
    if wrong:
        raise exceptions.BadInput('; '.join(wrong))


def set_up_logging(conf: cfg.ConfigOpts, project: str) -> None:
    """Set up logging with the options of oslo.log.

    Two options may need packages that only Nova's service has. They are
    ignored with a warning: without ``use_journal`` the log goes to stderr,
    which systemd sends to the journal. With ``use_journal``, stderr is left
    out if systemd does so: each line would be in the journal twice.

    :raises oslo_config.cfg.Error: an option has a wrong value
    :raises exceptions.BadInput: an option does not work
    """
    warnings = []
    if conf.publish_errors:
        conf.set_override('publish_errors', False)
        warnings.append(
            'publish_errors is ignored here: errors only go to the log'
        )
    if conf.use_journal and _has_journal():
        if _stderr_is_journal():
            conf.set_override('use_stderr', False)
    elif conf.use_journal:
        conf.set_override('use_journal', False)
        conf.set_override('use_stderr', True)
        warnings.append(
            'use_journal is ignored here: the Python package systemd-python is '
            'missing. The log goes to stderr, which systemd sends to the journal'
        )
    try:
        _try_logging(conf, project)
    except cfg.Error:
        raise
    except Exception as exc:
        raise exceptions.BadInput(_culprit(conf, project, exc)) from exc
    for warning in warnings:
        LOG.warning('%s', warning)


def _has_journal() -> bool:
    try:
        importlib.import_module('systemd.journal')
    except ImportError:
        return False
    return True


def _stderr_is_journal() -> bool:
    """Return whether systemd has connected stderr to the journal.

    It tells which file that is (``$JOURNAL_STREAM`` in systemd.exec(5)).
    """
    try:
        stat = os.fstat(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # closed, or not a file
        return False
    return os.environ.get('JOURNAL_STREAM') == f'{stat.st_dev}:{stat.st_ino}'


def log_to_stderr() -> None:
    """Set up logging without the options of oslo.log, which do not work."""
    python_logging.basicConfig(
        format='%(levelname)s %(name)s %(message)s',
        level=python_logging.INFO,
        force=True,
    )


def _try_logging(conf: cfg.ConfigOpts, project: str) -> None:
    """Set up logging, and check that records can be formatted.

    Otherwise every line of the log would be a traceback.
    """
    logging.setup(conf, project)
    sample = exceptions.Failure('sample')
    for handler, (level, info) in itertools.product(
        python_logging.getLogger().handlers,
        (
            (python_logging.DEBUG, None),
            (python_logging.ERROR, (type(sample), sample, None)),
        ),
    ):
        handler.format(
            python_logging.LogRecord(
                project, level, __file__, 1, 'sample', (), info
            )
        )


def _culprit(conf: cfg.ConfigOpts, project: str, exc: Exception) -> str:
    """Return which option does not work, and why.

    The options get working values one by one until logging works; the last of
    them is the culprit.
    """
    culprit = 'the options of oslo.log'
    for name, working in _SUSPECTS.items():
        value = conf[name]
        conf.set_override(name, working)
        try:
            _try_logging(conf, project)
        except Exception as another:
            exc = another
        else:
            culprit = f'{name} = {value}'
            break
    why = f'{type(exc).__name__}: {exc}'
    if isinstance(exc, OSError) and exc.filename:
        why = f'{exc.filename}: {exc.strerror}'
    # On one line.
    return ' '.join(
        f'{culprit}: {why}; set another value in a --config-file of your own '
        'after nova.conf'.split()
    )
