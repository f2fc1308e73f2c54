# SPDX-License-Identifier: MIT
"""gunicorn with the Flask application; it reads this file by its name."""

import os

wsgi_app = "app:app"
bind = "unix:" + os.environ["PEER_SOCKET"]
# The web server's group gets in.
umask = 0o007
workers = 3
# With gthread, which keeps connections, it is slower.
worker_class = "sync"
# As many may wait as before the others.
backlog = 1024
# Longer than a listing of every message takes.
timeout = 600
# As gunicorn's documentation recommends: heartbeats that never wait for a disk.
worker_tmp_dir = "/dev/shm"
