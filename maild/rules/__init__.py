"""Mailroom rules: from facts to a decision, without clock or database."""
