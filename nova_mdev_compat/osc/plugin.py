# SPDX-License-Identifier: Apache-2.0
"""What openstackclient loads before each of its commands, ours or not."""

import argparse
from typing import Any

from osc_lib import utils

API_NAME = 'mdev'
API_VERSION_OPTION = 'os_mdev_api_version'
DEFAULT_API_VERSION = '1'
#: Versions of our commands and their output, not of a service.
API_VERSIONS = {'1': 'nova_mdev_compat.osc.client.Client'}


def make_client(instance: Any) -> Any:
    """Return the client that commands find as client_manager.mdev.

    :param instance: openstackclient's client manager
    """
    client_class = utils.get_client_class(
        API_NAME, instance._api_version[API_NAME], API_VERSIONS
    )
    return client_class(instance)


def build_option_parser(
    parser: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """Add our options to those of all commands."""
    parser.add_argument(
        '--os-mdev-api-version',
        metavar='<mdev-api-version>',
        default=utils.env('OS_MDEV_API_VERSION'),
        help='Version of the commands "openstack mdev ...", default='
        f'{DEFAULT_API_VERSION} (Env: OS_MDEV_API_VERSION)',
    )
    return parser
