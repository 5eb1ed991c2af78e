# SPDX-License-Identifier: Apache-2.0
"""The commands of "openstack mdev", with one module for each noun.

openstackclient loads plugin.py. client.py finds the services and describes
their errors, nova.py has the questions to Nova, and command.py is shared by
the commands.
"""
