"""`python -m fake_plc`: the same as `fake-plc`."""

from fake_plc.cli import main

if __name__ == "__main__":
    main()
