"""``python -m overflowscope``."""

from overflowscope.cli import run

run()
