"""What lies inside, for people who look closely: one reading's way, every hop of the ledger, and rows of tables."""
