"""The commands of ``ranet``, a module each; ``scripts/`` has a script for each.

A command's module has a docstring, which is its help (the first line stands in ``ranet --help``),
and ``main(program, arguments)``: what it is called by, and the words that follow.
"""
