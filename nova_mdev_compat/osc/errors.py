# SPDX-License-Identifier: Apache-2.0
"""What an operator reads when a service does not do as it is asked. Pure."""

from keystoneauth1 import exceptions as ks_exceptions
from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions as osc_exceptions
import requests

from nova_mdev_compat.core import exceptions

_SERVICE = 'see "openstack catalog list", clouds.yaml and the service itself'
_RIGHTS = "your user needs the role that the service's policy asks for (admin)"
_STRANGER = (
    'the service does not take the token that Keystone gave you: see '
    'its log, and its [keystone_authtoken]'
)


def failure(exc: Exception) -> exceptions.Failure | None:
    """Return an error as one line that says what to do.

    :returns: None for an error that is a bug: nobody expects it
    """
    if isinstance(exc, exceptions.Failure):
        return exc
    if isinstance(exc, sdk_exceptions.HttpException):
        return _answered(exc)
    if isinstance(exc, sdk_exceptions.DuplicateResource):
        return exceptions.BadInput(f'{_line(exc)}; give its ID')
    if isinstance(exc, osc_exceptions.CommandError):
        return exceptions.BadInput(_line(exc))
    if isinstance(
        exc,
        (
            ks_exceptions.ClientException,
            sdk_exceptions.SDKException,
            requests.RequestException,
        ),
    ):
        return exceptions.Failure(f'{_line(exc)}; {_SERVICE}')
    return None


def _answered(exc: sdk_exceptions.HttpException) -> exceptions.Failure:
    if exc.status_code is None:
        # The SDK's own, of a name that nothing has.
        return exceptions.BadInput(_line(exc))
    text = ' '.join(
        f'{exc.method} {exc.url!s}: {exc.status_code} '
        f'{exc.details or ""}'.split()
    ).rstrip('.')
    if exc.status_code == 404:
        return exceptions.BadInput(text)
    if exc.status_code == 401:
        return exceptions.Failure(f'{text}; {_STRANGER}')
    if exc.status_code == 403:
        return exceptions.Failure(f'{text}; {_RIGHTS}')
    return exceptions.Failure(f'{text}; {_SERVICE}')


def _line(exc: Exception) -> str:
    return ' '.join(str(exc).split()).rstrip('.')
