# SPDX-License-Identifier: Apache-2.0
"""Serve the WSGI application of a service: MODULE PORT.

With waitress, since uwsgi's own HTTP resets connections of PUT requests whose
body the application does not read.
"""

import importlib
import os
import sys

import waitress


def main():
    module, port = sys.argv[1:]
    # Services read what else stands there.
    del sys.argv[1:]
    # Neutron's models name one that nothing else imports where there is no
    # router, and SQLAlchemy looks for it at the first request.
    for name in filter(None, os.environ.get('CLOUD_MODELS', '').split()):
        importlib.import_module(name)
    application = importlib.import_module(module).application
    waitress.serve(application, host='127.0.0.1', port=int(port), threads=8)


if __name__ == '__main__':
    main()
