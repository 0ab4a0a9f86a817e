"""What the tests of `pyro_irg.distributions` share."""


def numpy(tensor):
    return tensor.detach().double().numpy()
