#!/usr/bin/env python3
"""``ranet export-onnx`` as a script."""

from ranet.commands.program import run_as_script

if __name__ == "__main__":
    run_as_script("export-onnx")
