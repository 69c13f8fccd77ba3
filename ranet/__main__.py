"""``python -m ranet`` is ``ranet``."""

from ranet.commands.program import main

if __name__ == "__main__":
    main()
