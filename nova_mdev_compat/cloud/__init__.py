# SPDX-License-Identifier: Apache-2.0
"""What Placement says of a whole cloud, for the commands of an operator.

``reading.py`` and ``survey.py`` ask, in a number of requests that does not
grow with the number of hosts; ``instances.py`` and ``capacity.py`` ask about
single parents. The other modules are pure.
"""
