//! Pages that break a rule: reading through them gives `Corrupt`, and the check names a problem.
