# SPDX-License-Identifier: Apache-2.0
"""From "if these hosts had that driver" to an order of upgrades. Pure.

``upgrade.py`` makes the cloud that would be and ``differences.py`` compares;
``fleet.py`` and ``landing.py`` make numbers of it (``problem.py``), on which
``planning.py`` searches, with ``board.py``, ``course.py`` and ``order.py``;
``simulation.py`` tries the order with the capacity that there is, by
``routes.py`` and ``room.py``, which alone asks Placement; ``obstacles.py``
says why there is none.
"""
