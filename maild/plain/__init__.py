"""Pure helpers without a noun of their own."""
