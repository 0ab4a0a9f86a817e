"""BetaProportion."""

from tests.row import Family

ROW = Family("BetaProportion", points=({"mean": 0.3, "concentration": 5.0},), apart="shared/test_beta_relatives.py")
