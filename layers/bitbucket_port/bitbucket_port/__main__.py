"""``python -m bitbucket_port``."""

from __future__ import annotations

import sys

from bitbucket_port.cli.main import main

sys.exit(main())
