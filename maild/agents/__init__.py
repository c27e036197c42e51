"""Agents by email: an agent's mail, from who is believed to what it does and where it goes."""
