"""Serves a tracker under waitress: serve.py TRACKER HOST:PORT"""

import sys

import waitress
from roundup.cgi.wsgi_handler import RequestDispatcher

tracker, address = sys.argv[1:]
# SQLite takes one writer at a time.
waitress.serve(RequestDispatcher(tracker), listen=address, threads=1)
