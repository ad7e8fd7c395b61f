"""Serves Keystone's WSGI application under waitress: serve.py HOST:PORT"""

import sys

address = sys.argv.pop()
# Keystone reads the command line when it is imported, and ends the process over what it does not know.
sys.argv = ["keystone"]

import waitress  # noqa: E402
from keystone.wsgi.api import application  # noqa: E402

# SQLite takes one writer at a time, and Keystone answers 500 to the second.
waitress.serve(application, listen=address, threads=1)
