#!/usr/bin/env python3
"""``ranet eval-youtube-vos`` as a script."""

from ranet.commands.program import run_as_script

if __name__ == "__main__":
    run_as_script("eval-youtube-vos")
