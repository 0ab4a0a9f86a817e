"""The mathematics of pyro-irg, written once.  Private until 1.0: names and signatures may change without notice."""
