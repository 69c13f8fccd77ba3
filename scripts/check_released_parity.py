#!/usr/bin/env python3
"""``ranet check-released-parity`` as a script."""

from ranet.commands.program import run_as_script

if __name__ == "__main__":
    run_as_script("check-released-parity")
