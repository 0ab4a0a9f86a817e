"""Autoencoders with angles and proportions as latents, in Pyro and NumPyro, on scikit-learn's digits: `make demo`."""
