"""Those that are made of other distributions, or of matrices, or by a size."""

from tests.row import Family

ROWS = (
    Family("MixtureSameFamily", made=True, apart="shared/test_mixture.py"),
    Family("MixtureGeneral", made=True, apart="shared/test_mixture.py"),
    Family("GaussianCopula", made=True, apart="shared/test_gaussian_copula.py"),
    Family("GaussianCopulaBeta", made=True, apart="shared/test_gaussian_copula.py"),
    Family("ConditionalChain", made=True, apart="shared/test_conditional_chain.py"),
    Family("Implicit", made=True, apart="shared/test_implicit_density.py"),
    Family("ImplicitDensity", made=True, apart="shared/test_implicit_density.py"),
    Family("Wrapped", made=True, apart="shared/test_wrapped.py"),
    *(Family(f"Truncated{base}", made=True, apart="shared/test_truncated.py")
      for base in ("", "Normal", "Cauchy", "Distribution")),
    *(Family(f"{side}TruncatedDistribution", made=True, apart="shared/test_truncated.py")
      for side in ("Left", "Right", "TwoSided")),
    *(Family(f"{side}CensoredDistribution", made=True, apart="shared/test_censored.py")
      for side in ("Left", "Right", "Interval")),
    *(Family(name, made=True, apart="shared/test_lkj_cholesky.py") for name in ("LKJ", "LKJCholesky")),
    *(Family(name, made=True, apart="shared/test_spherical.py")
      for name in ("PowerSpherical", "SphericalUniform", "VonMisesFisher")),
    *(Family(f"{name}{of}", made=True, apart="shared/test_wishart.py")
      for name in ("Wishart", "InverseWishart") for of in ("", "Cholesky")),
    Family("SineSkewed", made=True, apart="shared/test_sine_skewed.py"),
    *(Family(f"Relaxed{name}", made=True, apart="shared/test_relaxed.py")
      for name in ("BernoulliLogits", "OneHotCategorical")),
    Family("MultivariateStudentT", made=True, apart="shared/test_multivariate_student_t.py"),
)  # fmt: skip
