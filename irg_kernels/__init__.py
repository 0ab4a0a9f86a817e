"""The mathematics of pyro-irg, written once.  Private until 1.0: names and signatures may change without notice."""

__version__ = "0.1.0"  # of all three packages; pyproject.toml reads it here
