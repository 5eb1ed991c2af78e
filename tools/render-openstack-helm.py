#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Render deploy/openstack-helm/nova.yaml with the real chart.

The unit tests read what this writes to tests/data. It needs a checkout of
openstack-helm and the Python package helm-python-sdk::

    tools/render-openstack-helm.py ../openstack-helm
"""

import hashlib
import pathlib
import shutil
import sys
import tempfile

from helm_python import chart
import yaml

HOME = pathlib.Path(__file__).resolve().parents[1]
VALUES = HOME / 'deploy/openstack-helm/nova.yaml'
DATA = HOME / 'tests/data/deploy/openstack-helm'


def merge(base: dict, more: dict) -> dict:
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        base[key] = merge(base[key], value) if both else value
    return base


def main(checkout: pathlib.Path) -> None:
    values = VALUES.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        nova = shutil.copytree(checkout / 'nova', f'{folder}/nova')
        shutil.copytree(
            checkout / 'helm-toolkit', f'{nova}/charts/helm-toolkit'
        )
        loaded = chart.Chart.load(nova)
        for case in ('default', 'groups'):
            more = DATA / f'{case}.values.yaml'
            own = yaml.safe_load(more.read_text()) if more.exists() else {}
            rendered = loaded.render(
                merge(yaml.safe_load(values), own),
                name='nova',
                namespace='openstack',
            )['nova/templates/extra-manifests.yaml']
            (DATA / f'{case}.yaml').write_text(
                '# SPDX-License-Identifier: Apache-2.0\n'
                '# tools/render-openstack-helm.py wrote this, with chart '
                f'{loaded.version} of nova, from\n'
                f'# {hashlib.sha256(values).hexdigest()}\n'
                + yaml.safe_dump_all(
                    item for item in yaml.safe_load_all(rendered) if item
                )
            )


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]))
