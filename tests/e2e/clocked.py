"""The `maild` command under the clock of a test: what time it is stands in the file MAILD_TEST_CLOCK (see `scripted_week`).

Only `maild.clock.now` is another one, and what is due is looked for oftener, since this clock moves by hours at once;
everything else, the monotonic clock too, is the real program.
"""

import mmap
import os
import struct
import sys
from datetime import UTC, datetime, timedelta

from maild import clock
from maild.__main__ import main

with open(os.environ["MAILD_TEST_CLOCK"], "rb") as file:  # noqa: PTH123
    memory = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)

clock.now = lambda: datetime.fromtimestamp(struct.unpack("q", memory[:8])[0], UTC)
from maild.processes import post_office  # noqa: E402  after the clock, which some keep as it was at their import

post_office.BEAT = timedelta(milliseconds=100)
sys.exit(main())
