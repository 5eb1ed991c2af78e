# SPDX-License-Identifier: Apache-2.0
"""Plain requests to Placement, counted."""

import requests

from nova_mdev_compat.placement import client


class Client:
    """Sends requests to Placement, and counts them.

    :param session: requests' own
    """

    def __init__(self, endpoint, session=None):
        self._endpoint = endpoint
        self._session = session or requests.Session()
        self._session.headers.update(
            {
                'X-Auth-Token': 'admin',
                'Accept': 'application/json',
                'OpenStack-API-Version': f'placement {client.MICROVERSION}',
            }
        )
        self.count = 0

    def send(self, method, url, body=None):
        self.count += 1
        return self._session.request(
            method, self._endpoint + url, json=body, timeout=600
        )

    def answers(self):
        """Tell whether Placement runs already."""
        try:
            return self.send('GET', '/').ok
        except requests.ConnectionError:
            return False

    def forget(self, consumer):
        """Take a consumer's allocations away."""
        response = self.send('DELETE', f'/allocations/{consumer}')
        if response.status_code not in (204, 404):
            response.raise_for_status()
